"""Runs a sweep whose request has been checked: trains, writes to MLflow, reports."""

import json
import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from dropattack import UsageError
from search.console.doing import doing
from search.console.progress import ProgressView
from search.console.status import Status
from search.definition.sweep import Sweep
from search.engine.engine import Engine
from search.execution.interruption import interrupts_wait
from search.execution.unanswered import ends_unanswered
from search.expected import Expected
from search.records.journal import Journal
from search.records.log import note_record, sweep_log
from search.records.notes import VERDICT, NotedVerdicts
from search.records.reading import CHECK
from search.records.record import Record
from search.records.store import Store
from search.results.breaking import run_errors
from search.results.modelled import winners, write_mlflow_model
from search.results.reporting import standing_report, write_report
from search.tracking.database import make_ready
from search.tracking.owner import owner_of
from search.tracking.projection import Projection
from search.tracking.runs import Winner
from search.tracking.settled import note_settled
from search.tracking.told import told
from trainables.disk import checkpoint_path
from trainables.remote.files import remove
from trainables.saved import load_model
from trainables.workloads import workload_named

_log = logging.getLogger(__name__)


def finish_sweep(
    engine: Engine,
    sweep: Sweep,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str,
    verbose: bool,
    changed: bool,
    unanswered: Callable[[], object],
) -> tuple[Path, str]:
    """Trains what is left, brings MLflow up to the records, and writes the report.

    If nothing is left, Ray does not start, and a report that is as new as the records stays.

    Args:
        engine: What to run; Ray is connected if something is left.
        sweep: The whole sweep; the engine may run some of its workloads.
        store: Where the sweep is kept.
        data: The data root.
        console: Where to show progress.
        tracking_uri: MLflow server; the store's own database where it is empty.
        verbose: Whether to show Ray's messages.
        changed: Whether the sweep's definition differs from that of its last run.
        unanswered: Called last if a SIGTERM ends the process without the main thread.

    Returns:
        The report, and a warning about what MLflow did not take, or nothing.

    Raises:
        RunError: The run cannot go on; what is recorded is whole. It is a `StoreError` where a file of the
            store or of the data broke.
    """
    folder, left, records = store.folder(sweep.name), engine.left, engine.journal.records
    noted = next((run.of for run in reversed(store.runs(sweep.name))), None)
    projection = Projection(
        tracking_uri or store.tracking_uri,
        sweep,
        None if tracking_uri else store.artifacts,
        store.versions(sweep.name),
        noted.facts if noted else {},
        (lambda: owner_of(store)) if tracking_uri else str,
        store.robustness(sweep.name),
        (lambda: None) if tracking_uri else (lambda: make_ready(store)),
    )
    status = Status(engine.sweep, engine.records, engine.total, trains=engine.trains)
    view = ProgressView(status, console, engine.sweep)
    engine.listeners += [
        projection.show,
        lambda record: _drop_checkpoint(folder, engine.journal, record),
        Expected(engine, sweep, store, status),
        view.update,
        note_record,
    ]
    broken: list[str] = []
    files: list[Path] = []
    models: list[Winner] = []
    verdict: NotedVerdicts | None = None
    ending = "FAILED"
    with run_errors(store), sweep_log(folder), tempfile.TemporaryDirectory() as scratch:
        try:
            if noted is not None:
                _log.info("run of %s with %s", noted.command, dict(noted.versions))
            for remark in store.remarks.values():
                _log.warning("%s", remark)
            _log.info("on record: %s", status.line())
            if left and sweep.mlflow.system_metrics:
                projection.watch_system()
            projection.start(records, status.line)
            try:
                if left:
                    with (
                        view,
                        ends_unanswered(lambda: _close_unanswered(view, projection, status, unanswered)),
                    ):
                        _train(engine, folder, data, verbose)
            finally:
                projection.drain()
            stale = left or changed or projection.created
            report = None if stale else standing_report(sweep, store)
            if report is None:
                with doing(console, "writing the report"):
                    report = write_report(sweep, store, records, projection.shown())
            verdict = store.noted(sweep.name, VERDICT)
            for record in winners(sweep, records, verdict):
                try:
                    own = _winner_files(store, sweep, record, verdict, data, Path(scratch))
                    models.append((record.key, own))
                except UsageError as error:
                    broken.append(f"a winner's model is not shown in MLflow ({error}; {CHECK})")
            files = [report, folder / "sweep.json"]
            ending = "KILLED" if not engine.done else "FAILED" if status.failures else "FINISHED"
        except KeyboardInterrupt:
            ending = "KILLED"
            raise
        finally:
            status.end()
            with interrupts_wait() as hurry:
                shows = told(sweep, records, verdict)
                behind = projection.close(files, models, ending, hurry, shows)
                warning = "; ".join(filter(None, [*broken, behind]))
                _log.info("ended as %s: %s%s", ending, status.line(), f"; {warning}" if warning else "")
        if not warning and not tracking_uri:
            note_settled(store, sweep.name)
    return report, warning


def _close_unanswered(
    view: ProgressView, projection: Projection, status: Status, unanswered: Callable[[], object]
) -> None:
    """Leaves the terminal and MLflow as an interruption does, if the main thread cannot."""
    view.__exit__(None, None, None)
    hurry = threading.Event()
    hurry.set()
    behind = projection.close((), (), "KILLED", hurry)
    _log.warning("ended as KILLED, unanswered: %s%s", status.line(), f"; {behind}" if behind else "")
    unanswered()


def _train(engine: Engine, folder: Path, data: Path, verbose: bool) -> None:
    from search.execution import tuning

    tuning.run(engine, folder, data, verbose)


def _drop_checkpoint(folder: Path, journal: Journal, record: Record) -> None:
    """A finished trial needs none, unless another stage still trains it."""
    if record.finished and all(other.finished for other in journal.with_key(record.key)):
        remove(checkpoint_path(folder, record.key))


def _winner_files(
    store: Store, sweep: Sweep, record: Record, verdict: NotedVerdicts | None, data: Path, place: Path
) -> list[Path]:
    """A winner's model as MLflow loads it, and its confusion matrix on the test split.

    Empty if the model is elsewhere; the model's file alone if there are no data for an example.

    Raises:
        UsageError: It cannot be read.
    """
    model = store.model(sweep.name, record)
    if not model.exists():
        return []
    rows = load_model(model, workload_named(record.trial.workload)).confusion
    files = [place / record.key]
    try:
        write_mlflow_model(files[0], store, sweep, record, verdict, data)
    except (UsageError, OSError) as error:
        _log.warning("the model of %s has no example: %s", record.name, error)
        files = [model]
    if rows:
        files.append(place / f"{record.key}.confusion.json")
        files[1].write_bytes(json.dumps({"rows are labels, columns predictions": rows}).encode())
    return files
