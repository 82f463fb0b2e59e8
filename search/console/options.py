"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

SweepName = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A bundled sweep's name, or a path to a YAML file.")
]
AnySweepName = Annotated[
    str, typer.Argument(metavar="[SWEEP]", help="A bundled sweep's name, or a path; all sweeps by default.")
]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="DROPATTACK_STORE", help="Folder of all records.")
]
DataOption = Annotated[
    Path, typer.Option("--data", envvar="DROPATTACK_DATA", help="Root folder of datasets.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a key, such as training.epochs=2."),
]
ScaleOption = Annotated[str, typer.Option(help="A version of the sweep that its file offers, such as quick.")]
TrackingOption = Annotated[
    str,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow server; default: in the store."
    ),
]
RetryOption = Annotated[
    bool, typer.Option("--retry-failed", help="Try again what failed for a reason outside of the trial.")
]
FormatOption = Annotated[str, typer.Option("--format", help="Any of html,md,png,svg,csv,parquet,tex.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"dropattack {version('dropattack')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
]
STORE, DATA = Path("runs"), Path("data")
"""Where a store and the datasets are, where nothing else is said."""
