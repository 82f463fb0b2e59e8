"""How the command line shows what it found: tables on the console."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dropattack import INPUT, Settings, registered
from search.console.status import Status, duration, same_training
from search.definition.sweep import Sweep
from search.definition.sweepfile import bundled_sweeps, load_sweep
from search.engine.plan import Plan
from search.records.naming import run_name
from search.records.record import Record, State
from search.records.redaction import without_credentials
from search.results.best import best_by_workload
from search.results.outcome import Outcome
from trainables.workloads import workload_named, workloads

_ENOUGH = 0.5
"""What trials get of their CPU where nothing need be said."""


def terminal() -> Console:
    """The console; where output is not a terminal, wide enough for tables to stay readable."""
    return Console(width=None if sys.stdout.isatty() else 140)


def show_outcome(console: Console, sweep: Sweep, outcome: Outcome, store: Path, tracking_uri: str) -> None:
    """The end of a run: counts, the best configuration, and where to look."""
    sources = {record.key: record.reused_from.partition("/")[0] for record in outcome.records}
    reused = sum(source not in ("", sweep.name) for source in sources.values())
    copies = len(outcome.records) - len(sources)
    parts = [f"{n} {state}" for state, n in _counts(outcome.records).items()]
    parts += [f"{reused} of them reused from other sweeps"] if reused else []
    trials = f"{len(outcome.records)} trials{f', {same_training(copies)}' if copies else ''}"
    _line(console, f"{trials}: {', '.join(parts)} · {duration(outcome.seconds)}")
    _show_best(console, sweep, outcome.records)
    if outcome.warning:
        _line(console, f"warning: {outcome.warning}; `dropattack run` again catches up")
    if outcome.limit:
        _line(console, f"ended at its limit of {outcome.limit}; a larger one goes on")
    if not outcome.done:
        _line(console, "interrupted: run the same command again to go on")
    _line(console, f"report: {outcome.report}")
    _line(console, f"MLflow: {without_credentials(tracking_uri) or f'dropattack ui --store {store}'}")


def show_plan(console: Console, sweep: Sweep, planned: Plan) -> None:
    """What a run would do, stage by stage."""
    table = Table("stage", "workload", "search", title=f"plan of {sweep.name}")
    for name in ("trials", "recorded", "reused", "left", "passes", "one slot"):
        table.add_column(name, justify="right")
    for plan in planned.stages:
        seconds = "?" if plan.seconds is None else duration(plan.seconds)
        about = "" if plan.search == "grid" else "≈ "
        numbers = (plan.trials, plan.recorded, plan.reused, plan.left)
        table.add_row(
            plan.stage, plan.workload, plan.search, *map(str, numbers), f"{about}{plan.passes:,.0f}", seconds
        )
    console.print(table)
    left, passes = sum(s.left for s in planned.stages), sum(s.passes for s in planned.stages)
    work = f"{left} trials to train, {passes:,.0f} forward-backward passes over the training split"
    for remark in planned.remarks:
        _line(console, remark)
    _line(console, f"{work}; nothing started")


def show_status(console: Console, sweep: Sweep, records: Sequence[Record]) -> None:
    """How far a sweep is."""
    table = Table("stage", "workload", *(state.value for state in State), title=sweep.name)
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            own = [r for r in records if r.stage == stage.name and r.trial.workload == workload]
            table.add_row(stage.name, workload, *(str(sum(r.state is s for r in own)) for s in State))
    console.print(table)
    status = Status(sweep, records)
    pace = status.trials_per_hour
    _line(console, status.line() + (f" · {pace:.0f} trials per hour" if pace else ""))
    if (share := status.cpu_share) is not None and share < _ENOUGH:
        _line(console, f"trials get {share:.0%} of the CPU they were given: something else keeps it busy")
    _show_best(console, sweep, records)
    for record in status.failures:
        _line(console, f"failed: {run_name(record.trial)}: {record.reason}")


def show_sweeps(console: Console, recorded: Sequence[str]) -> None:
    """Bundled sweeps and those on record."""
    table = Table("sweep", "workloads", "stages", "what it asks")
    for name in bundled_sweeps():
        sweep = load_sweep(name)
        stages = ", ".join(stage.name for stage in sweep.stages)
        table.add_row(name, ", ".join(sweep.workloads), stages, escape(sweep.summary))
    console.print(table)
    if recorded:
        _line(console, f"run in this store: {', '.join(recorded)}")


def show_workloads(console: Console) -> None:
    """All workloads."""
    table = Table("workload", "what it is", "targets", "training")
    for workload in workloads().values():
        training = ", ".join(
            f"{name} {value}" for name, value in workload.training.to_dict().items() if value
        )
        table.add_row(workload.name, escape(workload.summary), " ".join(workload.target_names()), training)
    console.print(table)


def show_methods(console: Console) -> None:
    """All methods with their hyperparameters."""
    for name, method in sorted(registered().items()):
        settings: type[Settings] = method.settings_type
        defaults = settings().to_dict()
        _line(console, f"{name}: {method.summary}")
        table = Table(box=None, show_header=False, pad_edge=False)
        for hyperparameter, allowed in settings.ranges().items():
            default = defaults[hyperparameter]
            shown = f"{default:.4g}" if isinstance(default, float) else str(default)
            table.add_row(f"  {hyperparameter}", shown, escape(str(allowed)), escape(allowed.doc))
        console.print(table)


def show_targets(console: Console, name: str, data: Path) -> None:
    """What can be attacked in a workload's model, from the input to the output."""
    workload = workload_named(name)
    # Word vectors need not be there to tell what a model's parameters are called.
    options = {"vectors": ""} if "vectors" in workload.data_settings().to_dict() else {}
    parameters = dict(workload.model_settings().build(workload.load(data, options)).named_parameters())
    table = Table("target", "parameter", "shape", title=name)
    for column in ("depth", "size", "initial norm"):
        table.add_column(column, justify="right")
    if INPUT not in workload.targets:
        table.add_row(INPUT, "the batch itself", "", "0", "", "")
    layers = list(dict.fromkeys(target.partition(".")[0] for target in workload.targets))
    first = 0 if INPUT in workload.targets else 1
    for target, parameter in workload.targets.items():
        tensor = parameters[parameter]
        shape = "×".join(map(str, tensor.shape))
        depth = str(layers.index(target.partition(".")[0]) + first)
        table.add_row(target, parameter, shape, depth, f"{tensor.numel():,}", f"{tensor.norm().item():.3g}")
    console.print(table)


def show_attacked(done: int, total: int) -> None:
    """A line on standard error for every model that has been attacked."""
    print(f"attacked {done}/{total} models", file=sys.stderr, flush=True)


def _counts(records: Sequence[Record]) -> Mapping[str, int]:
    counts = {state.value: sum(record.state is state for record in records) for state in State}
    return {state: n for state, n in counts.items() if n}


def _show_best(console: Console, sweep: Sweep, records: Sequence[Record]) -> None:
    """What validation chooses, as in the report, and the trial that gives the model."""
    found = best_by_workload(sweep, records)
    for workload in filter(found.__contains__, sweep.workloads):
        best, test = found[workload], f"test_{sweep.select.metric}"
        of = f" of {workload}" if len(sweep.workloads) > 1 else ""
        configuration = run_name(best.record.trial).rpartition(" seed=")[0]
        seeds = f"{best.seeds} seed{'s' * (best.seeds != 1)}{', confirmed' * best.confirmed}"
        mean = f"{sweep.select.column} {best.mean:.4g} ({seeds})"
        _line(console, f"best configuration{of} on validation: {configuration} · {mean}")
        model = f"{sweep.select.column} {best.record.value(sweep.select):.4g}"
        last = best.record.epochs[-1]
        model += f", {test} {last[test]:.4g}" if test in last else ""
        _line(console, f"its best model: seed {best.record.trial.seed} · {model}")


def _line(console: Console, text: str) -> None:
    console.print(escape(text), highlight=False, soft_wrap=True)
