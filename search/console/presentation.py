"""How the command line shows how a sweep ended, or how far it is."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from analysis.typed import retrying
from search.console.failed import failure_lines
from search.console.status import Status, duration, same_training
from search.console.terminal import show_line
from search.console.verdict import show_verdict
from search.definition.sweep import Sweep
from search.engine.retrying import failed_from_outside
from search.records.mirrored import name_of
from search.records.notes import NotedVerdicts
from search.records.record import Record, State
from search.records.redaction import without_credentials
from search.results.outcome import Outcome

_ENOUGH = 0.5
"""Share of its CPUs below which the status says that a trial gets little."""


def show_outcome(
    console: Console, sweep: Sweep, outcome: Outcome, store: Path, tracking_uri: str, typed: str
) -> None:
    """Shows the end of a run: counts, the verdict, and where to look.

    Args:
        console: Where to show it.
        sweep: The sweep.
        outcome: How its run ended.
        store: Where it is kept.
        tracking_uri: MLflow server; the store's own database where it is empty.
        typed: The command that ran it.
    """
    sources = {record.key: record.reused_from.partition("/")[0] for record in outcome.records}
    reused = sum(source not in ("", sweep.name) for source in sources.values())
    copies = len(outcome.records) - len(sources)
    parts = [f"{n} {word}" for word, n in _counts(outcome.records).items()]
    parts += [f"{reused} of them reused from other sweeps"] if reused else []
    trials = f"{len(outcome.records)} trials{f', {same_training(copies)}' if copies else ''}"
    nothing = "nothing was left to train" if outcome.done else "nothing was trained"
    took = duration(outcome.seconds) if outcome.trained else nothing
    show_line(console, f"{trials}: {', '.join(parts)} · {took}")
    finished = sum(record.finished for record in outcome.records)
    show_verdict(console, outcome.verdict, finished, sweep.name)
    if outcome.verdict is not None and outcome.verdict["verdicts"]:
        show_line(console, f"`dropattack best {sweep.name}` prints what to use, with its model")
    if outcome.warning:
        show_line(console, f"warning: {outcome.warning}")
    for line in failure_lines(outcome.failed):
        show_line(console, line)
    if again := failed_from_outside(outcome.records):
        trials = f"{len(again)} failed trial{'s' * (len(again) > 1)}"
        show_line(
            console,
            f"`{retrying(typed)}` tries {trials} again; a fault of the model fails again until you edit it",
        )
    if outcome.limit:
        show_line(console, f"ended at its limit of {outcome.limit}; set a larger one to go on")
    if not outcome.done:
        show_line(console, "interrupted: run the same command again to go on")
    show_line(console, f"report: {outcome.report}")
    show_line(
        console, f"MLflow: {without_credentials(tracking_uri) or f'dropattack ui --store {name_of(store)}'}"
    )


def show_status(
    console: Console,
    sweep: Sweep,
    records: Sequence[Record],
    total: int,
    running: bool = True,
    verdict: NotedVerdicts | None = None,
    typed: str = "",
    changes: Sequence[str] = (),
) -> None:
    """Shows how far a sweep is, and its verdict when its report was last written.

    Args:
        console: Where to show it.
        sweep: The sweep.
        records: Its records.
        total: How many trials it will have.
        running: Whether it runs now.
        verdict: Its last noted verdict.
        typed: The command that ran it last; "" if that was not noted.
        changes: What has changed since, which the records do not show.
    """
    status = Status(sweep, records, total, running)
    words = [state.value for state in State]
    if not running:
        words[list(State).index(State.RUNNING)] = "unfinished"
    table = Table("stage", "workload", *words, title=sweep.name)
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            own = [r for r in records if r.stage == stage.name and r.trial.workload == workload]
            table.add_row(stage.name, workload, *(str(sum(r.state is s for r in own)) for s in State))
    console.print(table)
    pace = status.trials_per_hour
    at_pace = f" · {pace:.0f} trials per hour" if pace else ""
    show_line(console, f"{status.standing}: {status.counts()}{at_pace}")
    for change in changes:
        show_line(console, change)
    if (share := status.cpu_share) is not None and share < _ENOUGH:
        get, keeps = ("get", "keeps") if running else ("got", "kept")
        show_line(
            console,
            f"trials {get} {share:.0%} of the CPU they were given: something else {keeps} it busy",
        )
    if status.standing == "stopped":
        last = f"`{typed}`" if typed else f"`dropattack run {sweep.name}` with the options of the last run"
        show_line(console, f"to go on, repeat {last}")
    if status.standing != "finished":
        for workload in sweep.workloads:
            if led := status.leader(workload):
                show_line(console, f"{workload}: {led}" if len(sweep.workloads) > 1 else led)
    show_verdict(console, verdict, status.finished, sweep.name)
    if verdict is None and status.standing == "finished":
        show_line(console, f"`dropattack report {sweep.name}` computes its verdict")
    for line in failure_lines(status.failures):
        show_line(console, line)


def show_attacked(done: int, total: int) -> None:
    """Prints a line on standard error for each model that has been attacked."""
    print(f"attacked {done}/{total} models", file=sys.stderr, flush=True)


def show_attack(line: str) -> None:
    """Prints a line on standard error about the progress of a slow attack."""
    print(f"  {line}", file=sys.stderr, flush=True)


def _counts(records: Sequence[Record]) -> Mapping[str, int]:
    """How many trials a run that has ended left in each state."""
    words = {state: "unfinished" if state is State.RUNNING else state.value for state in State}
    counts = {word: sum(record.state is state for record in records) for state, word in words.items()}
    return {word: n for word, n in counts.items() if n}
