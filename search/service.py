"""Running a sweep: from checking the request to writing the report."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from dropattack import UsageError
from search.console.progress import ProgressView
from search.console.status import Status
from search.definition.sweep import Sweep
from search.engine.code import remarks_on_code
from search.engine.engine import Engine
from search.engine.readiness import check_ready
from search.execution.errors import RunError
from search.execution.interruption import sigterm_interrupts
from search.execution.preflight import check_cluster, check_job
from search.records.journal import Journal, exclusive
from search.records.log import note_record, sweep_log
from search.records.provenance import provenance
from search.records.record import Record
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.outcome import Outcome
from search.results.reporting import write_report
from search.tracking.projection import Projection
from search.tracking.runs import Winner
from trainables.data.cache import write_atomically
from trainables.saved import checkpoint_path, load_model

_log = logging.getLogger(__name__)


class StoreError(RunError):
    """The store broke while a sweep ran; the message is one line that says what to do."""


@sigterm_interrupts()
def run_sweep(
    sweep: Sweep,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str = "",
    verbose: bool = False,
) -> Outcome:
    """Does what remains of a sweep, then writes its report.

    Ctrl-C and SIGTERM stop the trials, and what is recorded is reported; a second one skips that.

    Args:
        sweep: What to run.
        store: Where to keep it.
        data: The data root.
        console: Where to show progress.
        tracking_uri: MLflow server; the store's own database where it is empty.
        verbose: Whether to show what Ray says.

    Raises:
        UsageError: The request is wrong; nothing has been started.
        RunError: Ray cannot start, or the run cannot go on; what is recorded is whole. It is a `StoreError`
            where a file of the store or of the data broke.
        KeyboardInterrupt: It was interrupted before its trials began, or once more after that.
    """
    from search.execution import tuning

    started = time.monotonic()
    check_job(store.root)
    folder = store.folder(sweep.name)
    with exclusive(folder):
        ready = check_ready(sweep, store, data, tracking_uri, writable=True)
        journal, checksum = ready.journal, ready.checksum
        assert journal is not None, "a journal that is opened for writing is there"
        engine = Engine(sweep, journal, checksum, store.complete_elsewhere(sweep), store.complete)
        for remark in remarks_on_code(journal.apart, ready.code):
            console.print(remark, highlight=False, markup=False)
        tuning.connect(verbose)
        check_cluster(sweep, store.root, data, checksum)
        came_from = provenance(sweep)
        store.note_run(sweep.name, came_from, begun=bool(journal.records))
        store.note_code(sweep.name, ready.code)
        store.define(sweep)
        projection = Projection(
            tracking_uri or store.tracking_uri,
            sweep,
            None if tracking_uri else store.artifacts,
            store.versions(sweep.name),
            came_from.facts,
        )
        status = Status(sweep, engine.records)
        view = ProgressView(status, console)
        engine.listeners += [
            projection.show,
            lambda record: _drop_checkpoint(folder, journal, record),
            view.update,
            note_record,
        ]
        files: list[Path] = []
        winners: list[Winner] = []
        ending = "FAILED"
        with _run_errors(store), sweep_log(folder):
            try:
                _log.info("run of %s with %s", came_from.command, dict(came_from.versions))
                _log.info("on record: %s", status.line())
                projection.start(engine.records, status.line)
                try:
                    with view:
                        tuning.run(engine, folder, data, verbose)
                finally:
                    projection.drain()
                report = write_report(sweep, store, engine.records, projection.shown())
                winners = [
                    (best.record.key, _winner_files(store.model(sweep.name, best.record)))
                    for best in best_by_workload(sweep, engine.records).values()
                ]
                files = [report, folder / "sweep.json"]
                ending = "KILLED" if not engine.done else "FAILED" if status.failures else "FINISHED"
            finally:
                warning = projection.close(files, winners, ending)
                _log.info("ended as %s: %s%s", ending, status.line(), f"; {warning}" if warning else "")
    limit = engine.limit if status.finished < status.total else ""
    return Outcome(engine.records, engine.done, limit, report, time.monotonic() - started, warning)


@contextmanager
def _run_errors(store: Store) -> Iterator[None]:
    """Raises what ends a run that has begun as `RunError`, and errors of files among it as `StoreError`.

    Of files are an `OSError` and a `UsageError` whose cause is one. Any other error but a `UsageError` is a
    fault of the program, and stays what it is.
    """
    try:
        yield
    except (OSError, UsageError) as error:
        if not isinstance(error, OSError) and not isinstance(error.__cause__, OSError):
            raise RunError(f"{error}; what is recorded is whole") from error
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
