"""How the command line checks, mends and copies a store."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.console.command import refusals
from search.console.options import STORE, JsonOption, StoreOption, store_folder
from search.console.spelling import printable

if TYPE_CHECKING:
    from search.records.store import Store

store_app = typer.Typer(help="Check a store, mend it, or copy it.", no_args_is_help=True)


@store_app.callback()
def _of_a_store() -> None:
    """Check a store, mend it, or copy it."""


@store_app.command("check")
def store_check(
    sweeps: Annotated[
        list[str] | None, typer.Argument(metavar="SWEEP", help="Sweeps to check; all by default.")
    ] = None,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Mend with the least change; every damaged file is kept."),
    ] = False,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Read every file of a store; list which are damaged, what is lost, and what --mend does.

    Exit status 0: all are whole; 1: some are damaged, or were and are mended; 2: the request was wrong.
    """
    with refusals():
        from dropattack import UsageError
        from search.console.terminal import print_json
        from search.definition.source import sweep_name
        from search.records.checking import check_sweep, left_behind, mend_sweep
        from search.records.existing import existing_store
        from search.records.reading import damage_line

        place = existing_store(store)
        if mend and place.name != str(store):
            raise UsageError(
                f"{place.name} cannot be mended in its bucket; copy it into a folder, mend that, and copy "
                f"it to a new address: `dropattack store copy {place.name} FOLDER`"
            )
        names = _known(place, [sweep_name(sweep) for sweep in sweeps or []])
        found: dict[str, Any] = {}
        left: list[Path] = []
        for name in names:
            left += left_behind(place.folder(name))
            found[name] = list(mend_sweep(place, name) if mend else check_sweep(place, name))
        findings = [finding for each in found.values() for finding in each]
        if as_json:
            plain = {name: [finding.to_dict() for finding in each] for name, each in found.items()}
            print_json({"sweeps": plain, "left_behind": list(map(str, left))})
        else:
            for each in findings:
                done = f"mended: {each.mended}" if each.mended else f"--mend {each.mending}"
                print(printable(damage_line(each.path, each.wrong, each.lost, done)))
            for path in left:
                removed = "; it is removed" * mend
                print(printable(f"{path} was left by a killed process; nothing is lost{removed}"))
            files = f"{len(findings)} {'file is' if len(findings) == 1 else 'files are'} damaged"
            damaged = files if findings else "all files are whole"
            print(f"{len(names)} {'sweep' if len(names) == 1 else 'sweeps'} checked: {damaged}")
        if findings:
            raise typer.Exit(1)


@store_app.command("copy")
def store_copy(
    source: Annotated[
        Path, typer.Argument(metavar="FROM", parser=store_folder, help="The store: a folder, or an address.")
    ],
    target: Annotated[
        Path,
        typer.Argument(metavar="TO", parser=store_folder, help="An empty folder, or an address."),
    ],
) -> None:
    """Copy a store between a folder and s3://, gs:// or az://; TO must be empty."""
    with refusals():
        from search.records.copying import copy_store
        from search.records.existing import existing_store
        from search.records.store import Store

        to = Store(target)
        count = copy_store(existing_store(source), to)
        print(printable(f"{count} {'sweep' if count == 1 else 'sweeps'} copied to {to.name}"))


def _known(store: "Store", asked: Sequence[str]) -> list[str]:
    """The sweeps to check.

    Raises:
        UsageError: The store has no such sweep.
    """
    from dropattack.errors import unknown

    there = sorted(path.name for path in (store.root / "sweeps").glob("*") if path.is_dir())
    for name in asked:
        if name not in there:
            raise unknown("sweep", name, there)
    return list(dict.fromkeys(asked)) or there
