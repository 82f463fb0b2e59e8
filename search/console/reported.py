"""How the command line writes reports: of one sweep, and of several beside each other."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.console.command import refusals
from search.console.options import DATA, STORE, DataOption, FormatOption, StoreOption, TrackingOption
from search.console.remarks import changed_code, edited_file, say_all

if TYPE_CHECKING:
    from search.records.store import Store
    from search.results.landscapes import Landscape

SweepNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SWEEP...",
        help="A sweep's name or file; several are compared with the first. With --landscape: then METHODs.",
    ),
]


def report(
    sweeps: SweepNames,
    store: StoreOption = STORE,
    formats: FormatOption = "html",
    landscape: Annotated[
        bool,
        typer.Option(
            "--landscape",
            help="Draw loss landscapes of the METHODs after SWEEP, or of the best baseline and attack.",
        ),
    ] = False,
    points: Annotated[int | None, typer.Option(help="Points per side of a landscape; default: 25.")] = None,
    examples: Annotated[
        int | None,
        typer.Option(help="Test examples for each point of a landscape, 0 for all; default: 1000."),
    ] = None,
    watched: Annotated[
        bool, typer.Option("--watch", help="Rewrite the report while the sweep runs; Ctrl-C ends that.")
    ] = False,
    data: DataOption = DATA,
    tracking_uri: TrackingOption = "",
) -> None:
    """Write a sweep's report from its records, even while it runs; several sweeps share one page."""
    with refusals():
        from dropattack import UsageError
        from search.definition.source import sweep_name
        from search.records.existing import existing_store

        wanted = [name.strip() for name in formats.split(",")]
        place, first = existing_store(store), sweep_name(sweeps[0])
        others = _further_sweeps(place, sweeps[1:]) if landscape else sweeps[1:]
        if others:
            from search.results.comparing import report_comparison

            if landscape or watched:
                asked = "--landscape" if landscape else "--watch"
                raise UsageError(
                    f"{asked} is for the report of one sweep, not of {1 + len(others)}; leave it out"
                )
            names = [first, *map(sweep_name, others)]
            print(report_comparison(names, place, wanted, tracking_uri))
            say_all(place.remarks.values())
            for source, name in zip([sweeps[0], *others], names, strict=True):
                say_all(edited_file(source, place.recorded(name)))
            return
        for option, value in (("--points", points), ("--examples", examples)):
            if value is not None and not landscape:
                raise UsageError(f"{option} is for --landscape; add that, or leave {option} out")
        from search.results.reporting import report_sweep

        drawn = _landscape(data, sweeps[1:], points, examples) if landscape else None
        write = partial(report_sweep, first, place, tracking_uri, wanted, landscape=drawn)
        if watched:
            from search.results.watching import watch

            with suppress(KeyboardInterrupt):
                watch(place, first, write)
        else:
            print(write())
        ran = place.recorded(first)
        say_all([*place.remarks.values(), *edited_file(sweeps[0], ran), *changed_code(place, ran)])


def _further_sweeps(store: "Store", words: Sequence[str]) -> list[str]:
    """The words after the first sweep that name sweeps, not methods."""
    from dropattack import registered

    sweeps = store.sweeps()
    return [word for word in words if word in sweeps and word not in registered()]


def _landscape(data: Path, methods: Sequence[str], points: int | None, examples: int | None) -> "Landscape":
    from search.results.landscapes import EXAMPLES, POINTS, Landscape

    return Landscape(
        data,
        methods,
        POINTS if points is None else points,
        EXAMPLES if examples is None else examples,
    )
