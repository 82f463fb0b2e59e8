"""The commands that list what a sweep may name: sweeps, workloads, methods and targets."""

from typing import Annotated

import typer

from search.console.command import refusals
from search.console.options import DATA, STORE, AnySweepName, DataOption, JsonOption, StoreOption


def sweeps(sweep: AnySweepName = "", store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """List the bundled sweeps and those that have been run, or show one in full."""
    with refusals():
        from search.console import bundled
        from search.console.terminal import print_json, terminal
        from search.records.store import Store

        if sweep:
            found = bundled.sweep_of(sweep, Store(store))
            if as_json:
                print_json(bundled.plain_sweep(found))
            else:
                bundled.show_sweep(terminal(), found, sweep)
            return
        recorded = Store(store).sweeps()
        if as_json:
            print_json(bundled.plain_sweeps(recorded))
        else:
            bundled.show_sweeps(terminal(), recorded)


def workloads(
    workload: Annotated[
        str, typer.Argument(metavar="[WORKLOAD]", help="One to show in full; all by default.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List the workloads: dataset, model and training settings under one name; or show one in full."""
    with refusals():
        from dropattack.imported import give
        from search.console import catalogue
        from search.console.terminal import print_json, terminal

        give([workload])
        if as_json:
            print_json(catalogue.plain_workload(workload) if workload else catalogue.plain_workloads())
        elif workload:
            catalogue.show_workload(terminal(), workload)
        else:
            catalogue.show_workloads(terminal())


def methods(
    method: Annotated[
        str, typer.Argument(metavar="[METHOD]", help="One to show with its hyperparameters; all by default.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List the training methods, or show one with its hyperparameters and ranges."""
    with refusals():
        from dropattack.imported import give
        from search.console import catalogue
        from search.console.terminal import print_json, terminal

        give([method])
        if as_json:
            print_json(catalogue.plain_method(method) if method else catalogue.plain_methods())
        elif method:
            catalogue.show_method(terminal(), method)
        else:
            catalogue.show_methods(terminal())


def targets(
    workload: Annotated[str, typer.Argument(help="A workload's name.")],
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """List what can be attacked in a workload's model."""
    with refusals():
        from dropattack.imported import give
        from search.console import catalogue
        from search.console.terminal import print_json, terminal

        give([workload])
        if as_json:
            print_json(catalogue.plain_targets(workload, data))
        else:
            catalogue.show_targets(terminal(), workload, data)
