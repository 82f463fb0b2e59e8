"""What the command line does: run a sweep, or report on one."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from dropattack import UsageError
from search.compatibility import check_extends
from search.engine import Engine
from search.frames import records_for_analysis
from search.journal import exclusive
from search.preflight import check_cluster, check_job, data_options
from search.progress import ProgressView
from search.proposers import Checksum
from search.record import Record, State
from search.status import Status
from search.store import Store
from search.sweep import Sweep
from search.tracking import Projection, ShownRuns, shown_runs
from trainables.cache import digest
from trainables.trainable import checkpoint_path, model_path
from trainables.workloads import workload_named


class StoreError(RuntimeError):
    """The store broke while a sweep ran; the message is one line that says what to do."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        records: All records of the sweep.
        done: Whether the sweep came to its end.
        limit: The limit that ended it, or nothing.
        report: Where the report lies.
        seconds: How long the run took.
        warning: What went wrong beside the trials, or nothing.
    """

    records: Sequence[Record]
    done: bool
    limit: str
    report: Path
    seconds: float
    warning: str

    @property
    def failed(self) -> list[Record]:
        """Trials that failed."""
        return [record for record in self.records if record.state is State.FAILED]


def best_record(sweep: Sweep, records: Sequence[Record]) -> Record | None:
    """The complete trial that is best on validation, the first of equals."""
    select = sweep.select
    complete = [(select.sign * value, r) for r in records if (value := _final(sweep, r)) is not None]
    return max(complete, key=lambda pair: pair[0], default=(0.0, None))[1]


def _final(sweep: Sweep, record: Record) -> float | None:
    return record.value(sweep.select) if record.state is State.COMPLETE else None


def verified_data(sweep: Sweep, root: Path) -> Checksum:
    """Checks that all data of a sweep are there and whole; gives their digests from then on.

    Raises:
        UsageError: Files are missing or damaged.
    """
    known: dict[str, str] = {}

    def checksum(workload: str, options: Mapping[str, Any]) -> str:
        name = digest(workload, dict(options))
        if name not in known:
            known[name] = workload_named(workload).checksum(root, options)
        return known[name]

    for workload, options in data_options(sweep):
        checksum(workload, options)
    return checksum


def run_sweep(
    sweep: Sweep,
    source: str,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str = "",
    verbose: bool = False,
) -> Outcome:
    """Does what remains of a sweep, then writes its report.

    Args:
        sweep: What to run.
        source: How it was named, for the report.
        store: Where to keep it.
        data: The data root.
        console: Where to show progress.
        tracking_uri: MLflow server; the store's own database where it is empty.
        verbose: Whether to show what Ray says.

    Raises:
        UsageError: The request is wrong; nothing has been started.
    """
    from search import tuning

    started = time.monotonic()
    check_job(store.root)
    checksum = verified_data(sweep, data)
    folder = store.folder(sweep.name)
    with exclusive(folder):
        old = store.definition(sweep.name)
        if old is not None:
            check_extends(old, sweep)
        tuning.connect(verbose)
        check_cluster(sweep, store.root, data, checksum)
        store.define(sweep)
        journal = store.journal(sweep, writable=True)
        projection = Projection(
            tracking_uri or store.tracking_uri, sweep, None if tracking_uri else store.artifacts
        )
        engine = Engine(sweep, journal, checksum, store.complete_elsewhere(sweep), store.complete)
        engine.listeners += [projection.show, lambda record: _drop_checkpoint(folder, record)]
        status = Status(sweep, engine.records)
        projection.start(engine.records, status.line)
        with ProgressView(status, console) as view:
            engine.listeners.append(view.update)
            try:
                tuning.run(engine, folder, data, verbose)
            except OSError as error:
                raise StoreError(
                    f"the store {store.root} can no longer be used ({error.strerror}); nothing recorded "
                    "is lost: mend that and run the same command again"
                ) from error
        report = write_report(sweep, source, store, engine.records, projection.shown())
        best = best_record(sweep, engine.records)
        winner = None if best is None else (best.key, model_path(folder, best.key))
        warning = projection.close([report, folder / "sweep.json"], winner)
    return Outcome(engine.records, engine.done, engine.limit, report, time.monotonic() - started, warning)


def report_sweep(name: str, store: Store, tracking_uri: str = "") -> Path:
    """Writes the report of a sweep from its records alone, also while it runs."""
    sweep = recorded_sweep(name, store)
    journal = store.journal(sweep)
    shown = shown_runs(tracking_uri or store.tracking_uri, sweep.name)
    return write_report(sweep, name, store, journal.records, shown)


def recorded_sweep(name: str, store: Store) -> Sweep:
    """The definition of a sweep that has been run.

    Raises:
        UsageError: None of that name has been run in this store.
    """
    sweep = store.definition(name)
    if sweep is None:
        known = ", ".join(store.sweeps()) or "none"
        raise UsageError(f"sweep {name!r} has not been run in {store.root}; those that have: {known}")
    return sweep


def write_report(
    sweep: Sweep, source: str, store: Store, records: Sequence[Record], shown: ShownRuns
) -> Path:
    """Writes a sweep's report into its folder."""
    from analysis.report import write_report as render

    tables = records_for_analysis(sweep, records, shown, source)
    return render(tables, store.folder(sweep.name) / "report")


def _drop_checkpoint(folder: Path, record: Record) -> None:
    """A finished trial needs none."""
    if record.finished:
        checkpoint_path(folder, record.key).unlink(missing_ok=True)
