"""The command line.

Exit status 0: done; 1: some trials failed, or the run could not start or go on; 2: the request was wrong,
nothing started; 75: a notice (SIGUSR1) ended the run, which saved what it had trained.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from search.console.begun import init
from search.console.browse import ui
from search.console.checked import store_app
from search.console.command import carry_out, refusals, say
from search.console.doctor import doctor
from search.console.fetched import data_app
from search.console.lists import methods, sweeps, targets, workloads
from search.console.options import (
    DATA,
    STORE,
    AnySweepName,
    DataOption,
    ImportOption,
    JsonOption,
    OnlyOption,
    PrivateOption,
    RetryOption,
    ScaleOption,
    SetOption,
    StoreOption,
    SweepName,
    TrackingOption,
    VersionOption,
)
from search.console.remarks import changed_code, edited_file, say_all
from search.console.reported import report
from search.console.slurm import slurm

app = typer.Typer(
    name="dropattack",
    help="Hyperparameter search for DropAttack, masked weight adversarial training, and its relatives.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _every_command(version: VersionOption = False, imports: ImportOption = None) -> None:
    """Hyperparameter search for DropAttack, masked weight adversarial training, and its relatives."""
    if imports:
        from dropattack.imported import give

        give(imports)


@app.command()
def run(
    sweep: SweepName,
    store: StoreOption = STORE,
    data: DataOption = DATA,
    overrides: SetOption = None,
    scale: ScaleOption = "",
    only: OnlyOption = None,
    tracking_uri: TrackingOption = "",
    verbose: Annotated[bool, typer.Option("--verbose", help="Show Ray's messages.")] = False,
    retry_failed: RetryOption = False,
    private: PrivateOption = False,
) -> None:
    """Run a sweep, or what remains of it; running it again never repeats what is recorded.

    Exit status 0: done; 1: trials failed, the run was interrupted, or it could not go on; 2: the request was
    wrong; 75: SIGUSR1 came, and the run saved what it had trained.
    """
    from search.execution.notice import LEFT_EARLY, noticed, usr1_is_notice

    with refusals(), usr1_is_notice():
        from search.console import presentation
        from search.console.terminal import terminal
        from search.definition.sweepfile import load_sweep
        from search.records.privacy import make_private
        from search.records.provenance import command_line
        from search.records.store import Store
        from search.service import run_sweep
        from trainables.data.place import rooted

        console = terminal()
        with rooted(data):
            definition = load_sweep(sweep, _overridden(overrides), scale)
            if private:
                make_private(store)
            outcome = run_sweep(
                definition, Store(store), data, console, tracking_uri, verbose, retry_failed, only or ()
            )
            early = noticed()
        typed = command_line(sys.argv)
        presentation.show_outcome(console, definition, outcome, store, tracking_uri, typed)
        if early and not outcome.done and outcome.trained:
            raise typer.Exit(LEFT_EARLY)
        if outcome.failed or not outcome.done:
            raise typer.Exit(1)


@app.command()
def submit(
    sweep: SweepName,
    address: Annotated[
        str,
        typer.Option(
            envvar="RAY_API_SERVER_ADDRESS", help="The cluster's Jobs API, such as http://127.0.0.1:8265."
        ),
    ],
    store: Annotated[str, typer.Option(help="Store on the cluster: a shared folder, or an address.")] = "",
    data: Annotated[str, typer.Option(help="Root folder of datasets on every node.")] = "",
    overrides: SetOption = None,
    scale: ScaleOption = "",
    only: OnlyOption = None,
    tracking_uri: Annotated[str, typer.Option(help="MLflow server as the cluster sees it.")] = "",
    retry_failed: RetryOption = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job to its end.")] = True,
) -> None:
    """Run a sweep as a job of a Ray cluster; submitting it again goes on where it stopped.

    Exit status 0: submitted, and with --wait done; 1: the job did not end well; 2: the request was wrong.
    """
    with refusals():
        from search.definition.partial import only_workloads
        from search.definition.sweepfile import load_sweep
        from search.engine.readiness import check_anywhere
        from search.submission import jobs

        definition = load_sweep(sweep, _overridden(overrides), scale)
        check_anywhere(only_workloads(definition, only or ()), tracking_uri)
        project = Path.cwd()
        command = jobs.run_command(
            sweep, store, data, tracking_uri, overrides or [], project, scale, retry_failed, only or []
        )
        client = jobs.connect(address)
        job, new = jobs.submit(client, definition.name, store, command, project, say)
        print(f"{'submitted' if new else 'already running:'} {job}", flush=True)
        if wait:
            raise typer.Exit(jobs.follow(client, job, lambda text: print(text, end="", flush=True)))


@app.command()
def plan(
    sweep: SweepName,
    store: StoreOption = STORE,
    data: DataOption = DATA,
    overrides: SetOption = None,
    scale: ScaleOption = "",
    only: OnlyOption = None,
    probed: Annotated[
        bool, typer.Option("--probe", help="Train a few steps of each workload to estimate the time.")
    ] = False,
    tracking_uri: TrackingOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what a run would do: trials, how many are recorded, passes, time. Starts nothing."""
    with refusals():
        from search.console.planned import plain_plan, show_plan, time_lines
        from search.console.terminal import print_json, terminal
        from search.definition.sweepfile import load_sweep
        from search.engine.plan import plan_sweep
        from search.records.store import Store
        from trainables.data.place import rooted

        with rooted(data):
            definition = load_sweep(sweep, _overridden(overrides), scale)
            planned = plan_sweep(definition, Store(store), data, tracking_uri, probed, only or ())
        if as_json:
            print_json(plain_plan(definition, planned))
            say_all([*planned.remarks, *time_lines(planned)])
        else:
            show_plan(terminal(), definition, planned)


@app.command()
def status(sweep: AnySweepName = "", store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Show how far a sweep is, or every sweep of the store; works while they run."""
    with refusals():
        from search.console import presentation, standings
        from search.console.terminal import print_json, terminal
        from search.definition.source import sweep_name
        from search.records.existing import existing_store
        from search.records.moved import command_at
        from search.records.notes import VERDICT

        place = existing_store(store)
        if not sweep:
            if as_json:
                print_json(standings.plain_standings(place))
            else:
                standings.show_standings(terminal(), place)
            return
        found = standings.standing_of(place, sweep_name(sweep))
        place.look_at_notes(found.sweep.name)
        verdict = place.noted(found.sweep.name, VERDICT)
        changes = changed_code(place, found.sweep)
        if as_json:
            print_json({**found.status.to_dict(), "verdict": verdict})
            say_all(changes)
        else:
            total, running = found.status.total, found.running
            last = next((run.of.command for run in reversed(place.runs(found.sweep.name))), "")
            typed = command_at(last, place.name)
            presentation.show_status(
                terminal(), found.sweep, found.records, total, running, verdict, typed, changes
            )
        say_all([*place.remarks.values(), *edited_file(sweep, found.sweep)])


app.command()(report)


@app.command()
def best(
    sweep: SweepName,
    store: StoreOption = STORE,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print a sweep file that trains it.")] = False,
    as_json: JsonOption = False,
    register: Annotated[
        str, typer.Option(metavar="NAME", help="Register its model, and the baseline's, in MLflow.")
    ] = "",
    data: DataOption = DATA,
    tracking_uri: TrackingOption = "",
) -> None:
    """Show which configuration to use, ready to paste, with its key and its model file."""
    with refusals():
        from dropattack import UsageError
        from search.console.best import best_yaml, show_best
        from search.console.terminal import print_json, terminal
        from search.definition.source import sweep_name
        from search.records.existing import existing_store
        from search.results.usable import usable

        place, name = existing_store(store), sweep_name(sweep)
        definition, found = place.recorded(name), usable(place, name)
        if not found:
            raise UsageError(f"{name} has no complete trial yet, and so nothing to use; run it first")
        if as_json:
            print_json([each.to_dict() for each in found])
        elif as_yaml:
            print(best_yaml(definition, found), end="")
        else:
            show_best(terminal(), definition, found)
        if register:
            from search.results import registering

            say_all(registering.register(place, name, data, tracking_uri, register))
        changed = changed_code(place, definition)
        say_all([*place.remarks.values(), *edited_file(sweep, definition), *changed])


@app.command()
def robustness(
    sweep: SweepName,
    attacks: Annotated[
        str,
        typer.Option(metavar="GRID", help="Attacks and ε, such as pgd-20:0.1,0.3+transfer-pgd-20:0.3."),
    ],
    store: StoreOption = STORE,
    data: DataOption = DATA,
    tracking_uri: TrackingOption = "",
) -> None:
    """Attack a sweep's trained models on the test split, and write its report with the results."""
    with refusals():
        from search.console import presentation
        from search.definition.source import sweep_name
        from search.records.existing import existing_store
        from search.results.reporting import report_sweep
        from search.results.under_attack import evaluate_sweep

        name, place = sweep_name(sweep), existing_store(store)
        shown = presentation.show_attacked, presentation.show_attack
        done = evaluate_sweep(name, place, data, attacks, tracking_uri, *shown)
        say_all(done.remarks)
        print(report_sweep(name, place, tracking_uri))
        say_all([*place.remarks.values(), *edited_file(sweep, place.recorded(name))])


for light in (sweeps, workloads, methods, targets, doctor, init, ui, slurm):
    app.command()(light)
app.add_typer(data_app, name="data")
app.add_typer(store_app, name="store")


def main() -> None:
    """Runs the command line."""
    sys.exit(carry_out(app))


def _overridden(overrides: list[str] | None) -> dict[str, Any]:
    from search.definition.overriding import parse_override

    return dict(map(parse_override, overrides or []))
