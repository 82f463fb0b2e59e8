"""How the command line writes reports: of one sweep, and of several beside each other."""

from contextlib import suppress
from functools import partial
from typing import Annotated

import typer

from search.console.command import refusals
from search.console.options import DATA, STORE, DataOption, FormatOption, StoreOption, TrackingOption
from search.console.remarks import changed_code, say_all

SweepNames = Annotated[
    list[str],
    typer.Argument(metavar="SWEEP...", help="A sweep's name or file; of several the first is compared with."),
]


def report(
    sweeps: SweepNames,
    store: StoreOption = STORE,
    formats: FormatOption = "html",
    landscape: Annotated[bool, typer.Option("--landscape", help="Draw loss landscapes; slow.")] = False,
    watched: Annotated[
        bool, typer.Option("--watch", help="Write it anew while the sweep runs; Ctrl-C ends it sooner.")
    ] = False,
    data: DataOption = DATA,
    tracking_uri: TrackingOption = "",
) -> None:
    """Write a sweep's report from its records, also while it runs; of several sweeps one page."""
    with refusals():
        from dropattack import UsageError
        from search.definition.source import sweep_name
        from search.records.store import Store

        wanted = [name.strip() for name in formats.split(",")]
        place, names = Store(store), [sweep_name(sweep) for sweep in sweeps]
        if len(names) > 1:
            from search.results.comparing import report_comparison

            if landscape or watched:
                asked = "--landscape" if landscape else "--watch"
                raise UsageError(f"{asked} is for the report of one sweep, not of {len(names)}; leave it out")
            print(report_comparison(names, place, wanted, tracking_uri))
            say_all(place.remarks.values())
            return
        from search.results.reporting import report_sweep

        (name,) = names
        write = partial(
            report_sweep, name, place, tracking_uri, wanted, landscape=data if landscape else None
        )
        if watched:
            from search.results.watching import watch

            with suppress(KeyboardInterrupt):
                watch(place, name, write)
        else:
            print(write())
        say_all([*place.remarks.values(), *changed_code(place, place.recorded(name))])
