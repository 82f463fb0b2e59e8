"""Arguments and options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

SweepName = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A bundled sweep's name, or a path to a YAML file.")
]
AnySweepName = Annotated[
    str, typer.Argument(metavar="[SWEEP]", help="A bundled sweep's name, or a path; all sweeps by default.")
]
_LONGEST_NAME, _LONGEST_PATH = 255, 4000
"""Bytes of a file's name, and of a path, that file systems take."""


def folder(text: str | Path) -> Path:
    """The folder that an option names, whether it exists or not.

    Raises:
        BadParameter: No folder could have that name.
    """
    path, said = Path(text), os.fsencode(text)
    if not said:
        raise typer.BadParameter("it is empty; name a folder, such as . for this one")
    if (
        b"\0" in said
        or len(said) > _LONGEST_PATH
        or max(map(len, map(os.fsencode, path.parts))) > _LONGEST_NAME
    ):
        raise typer.BadParameter("this name is too long for a folder, or holds a null byte; name another")
    return path


def store_folder(text: str | Path) -> Path:
    """The folder of a store, or this node's copy of one at an address; neither need exist.

    If other users cannot open the folder (0700), they cannot open what this process writes from now on
    either.

    Raises:
        BadParameter: No folder could have that name, or the address cannot be used.
    """
    if ":" in str(text):
        from dropattack import UsageError
        from search.records.mirrored import folder_of
        from trainables.remote.address import is_address

        try:
            if is_address(str(text)):
                return folder_of(str(text))
        except UsageError as error:
            raise typer.BadParameter(str(error)) from None
    path = folder(text)
    if path.is_dir() and not path.stat().st_mode & 0o077:
        os.umask(0o077)
    return path


StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        envvar="DROPATTACK_STORE",
        parser=store_folder,
        metavar="PLACE",
        help="Where all records are: a folder, or s3://, gs:// or az:// BUCKET/PREFIX.",
    ),
]
PrivateOption = Annotated[
    bool, typer.Option("--private", help="Close the store to other users of this machine: 0700, files 0600.")
]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data", envvar="DROPATTACK_DATA", parser=folder, metavar="DIR", help="Root folder of datasets."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a key, such as training.epochs=2."),
]
ScaleOption = Annotated[str, typer.Option(help="A scale that the sweep's file defines, such as quick.")]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="WORKLOAD", help="Use only this workload of the sweep; may be repeated."),
]
TrackingOption = Annotated[
    str,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow server; default: in the store."
    ),
]
RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Retry trials that failed for a reason outside of them.")
]
FormatOption = Annotated[
    str, typer.Option("--format", help="Formats to write, any of html,md,png,svg,csv,parquet,tex.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"dropattack {version('dropattack')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
]
ImportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--import", metavar="MODULE:NAME", help="Let this code of yours run where a store's files name it."
    ),
]
STORE, DATA = Path("runs"), Path("data")
"""The default store and data root."""
