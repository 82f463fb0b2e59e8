"""Running a sweep: from checking the request to writing the report."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from dropattack import UsageError
from search.console.progress import ProgressView
from search.console.status import Status
from search.definition.sweep import Sweep
from search.engine.code import remarks_on_code, sweep_code
from search.engine.compatibility import check_extends, check_records, check_warm_starts
from search.engine.datasets import verified_data
from search.engine.engine import Engine
from search.engine.proposers import Checksum
from search.execution.job import check_job
from search.records.journal import Journal, exclusive
from search.records.provenance import provenance
from search.records.record import Record
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.outcome import Outcome
from search.results.reporting import standing_report, write_report
from search.tracking.projection import Projection
from search.tracking.runs import Winner
from trainables.disk import checkpoint_path, write_atomically
from trainables.saved import load_model


class StoreError(RuntimeError):
    """The store broke while a sweep ran; the message is one line that says what to do."""


def run_sweep(
    sweep: Sweep,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str = "",
    verbose: bool = False,
) -> Outcome:
    """Does what remains of a sweep, then writes its report.

    Where nothing remains, Ray is not started: MLflow is brought up to the records, and a report that is older
    than they are is written anew.

    Args:
        sweep: What to run.
        store: Where to keep it.
        data: The data root.
        console: Where to show progress.
        tracking_uri: MLflow server; the store's own database where it is empty.
        verbose: Whether to show what Ray says.

    Raises:
        UsageError: The request is wrong; nothing has been started.
        StoreError: A file of the store or of the data broke; what is recorded is whole.
    """
    started = time.monotonic()
    check_job(store.root)
    code = sweep_code(sweep)
    checksum = verified_data(sweep, data)
    folder = store.folder(sweep.name)
    with exclusive(folder):
        old = store.definition(sweep.name)
        if old is not None:
            check_extends(old, sweep)
        check_warm_starts(sweep, store.sweeps())
        journal = store.journal(sweep, writable=True, code=code)
        for remark in remarks_on_code(journal.apart, code):
            console.print(remark, highlight=False, markup=False)
        check_records(journal.records, sweep, checksum)
        engine = Engine(sweep, journal, checksum, store.complete_elsewhere(sweep), store.complete)
        left = engine.left
        if left:
            _connect(sweep, store, data, checksum, verbose)
            store.note_run(sweep.name, provenance(sweep), begun=bool(journal.records))
        store.note_code(sweep.name, code)
        store.define(sweep)
        store.note_total(sweep.name, engine.total)
        projection = Projection(
            tracking_uri or store.tracking_uri,
            sweep,
            None if tracking_uri else store.artifacts,
            store.versions(sweep.name),
            next((run.of.facts for run in reversed(store.runs(sweep.name))), {}),
        )
        status = Status(sweep, engine.records, engine.total)
        view = ProgressView(status, console)
        engine.listeners += [
            projection.show,
            lambda record: _drop_checkpoint(folder, journal, record),
            view.update,
        ]
        files: list[Path] = []
        winners: list[Winner] = []
        ending = "FAILED"
        projection.start(engine.records, status.line)
        with _store_errors(store):
            try:
                try:
                    if left:
                        _train(engine, view, folder, data, verbose)
                finally:
                    projection.drain()
                as_before = not left and old == sweep and not projection.created
                report = (as_before and standing_report(sweep, store)) or write_report(
                    sweep, store, engine.records, projection.shown()
                )
                winners = [
                    (best.record.key, _winner_files(store.model(sweep.name, best.record)))
                    for best in best_by_workload(sweep, engine.records).values()
                ]
                files = [report, folder / "sweep.json"]
                ending = "KILLED" if not engine.done else "FAILED" if status.failures else "FINISHED"
            finally:
                warning = projection.close(files, winners, ending)
    limit = engine.limit if status.finished < status.total else ""
    return Outcome(engine.records, engine.done, limit, report, time.monotonic() - started, warning)


def _connect(sweep: Sweep, store: Store, data: Path, checksum: Checksum, verbose: bool) -> None:
    """Joins or starts Ray, and checks that its nodes can run the sweep."""
    from search.execution import preflight, tuning

    tuning.connect(verbose)
    preflight.check_cluster(sweep, store.root, data, checksum)


def _train(engine: Engine, view: ProgressView, folder: Path, data: Path, verbose: bool) -> None:
    from search.execution import tuning

    with view:
        tuning.run(engine, folder, data, verbose)


@contextmanager
def _store_errors(store: Store) -> Iterator[None]:
    """Raises errors of files as `StoreError`: an `OSError`, or a `UsageError` whose cause is one.

    Any other `UsageError` says what is wrong by itself, and any other error is a fault of the program.
    """
    try:
        yield
    except (OSError, UsageError) as error:
        if not isinstance(error, OSError) and not isinstance(error.__cause__, OSError):
            raise
        raise StoreError(
            f"a file of the store {store.root} or of the data can no longer be used ({error}); nothing "
            "recorded is lost: mend that and run the same command again"
        ) from error


def _drop_checkpoint(folder: Path, journal: Journal, record: Record) -> None:
    """A finished trial needs none, unless another stage still trains it."""
    if all(other.finished for other in journal.with_key(record.key)):
        checkpoint_path(folder, record.key).unlink(missing_ok=True)


def _winner_files(model: Path) -> list[Path]:
    """A winner's model, and how it confuses the test split's classes; nothing where it is elsewhere."""
    if not model.exists():
        return []
    confusion = model.with_suffix(".confusion.json")
    rows = load_model(model).confusion
    write_atomically(confusion, json.dumps({"rows are labels, columns predictions": rows}).encode())
    return [model, confusion]
