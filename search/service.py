"""Running a sweep: from checking the request to writing the report."""

import json
import time
from pathlib import Path

from rich.console import Console

from dropattack import UsageError
from search.console.progress import ProgressView
from search.console.status import Status
from search.definition.sweep import Sweep
from search.engine.compatibility import check_extends, check_records, check_warm_starts
from search.engine.datasets import verified_data
from search.engine.engine import Engine
from search.execution.preflight import check_cluster, check_job
from search.records.journal import Journal, exclusive
from search.records.provenance import versions
from search.records.record import Record
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.outcome import Outcome
from search.results.reporting import write_report
from search.tracking.projection import Projection
from trainables.data.cache import write_atomically
from trainables.saved import checkpoint_path, load_model


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

    Args:
        sweep: What to run.
        store: Where to keep it.
        data: The data root.
        console: Where to show progress.
        tracking_uri: MLflow server; the store's own database where it is empty.
        verbose: Whether to show what Ray says.

    Raises:
        UsageError: The request is wrong; nothing has been started.
    """
    from search.execution import tuning

    started = time.monotonic()
    check_job(store.root)
    checksum = verified_data(sweep, data)
    folder = store.folder(sweep.name)
    with exclusive(folder):
        old = store.definition(sweep.name)
        if old is not None:
            check_extends(old, sweep)
        check_warm_starts(sweep, store.sweeps())
        journal = store.journal(sweep, writable=True)
        check_records(journal.records, sweep, checksum)
        engine = Engine(sweep, journal, checksum, store.complete_elsewhere(sweep), store.complete)
        tuning.connect(verbose)
        check_cluster(sweep, store.root, data, checksum)
        store.define(sweep)
        store.note_versions(sweep.name, versions(), begun=bool(journal.records))
        projection = Projection(
            tracking_uri or store.tracking_uri,
            sweep,
            None if tracking_uri else store.artifacts,
            store.versions(sweep.name),
        )
        engine.listeners += [projection.show, lambda record: _drop_checkpoint(folder, journal, record)]
        status = Status(sweep, engine.records)
        projection.start(engine.records, status.line)
        try:
            with ProgressView(status, console) as view:
                engine.listeners.append(view.update)
                tuning.run(engine, folder, data, verbose)
            projection.drain()
            try:
                report = write_report(sweep, store, engine.records, projection.shown())
            except UsageError as error:
                raise OSError(str(error)) from error
        except Exception as error:
            projection.drain()
            projection.close([], status="FAILED")
            if not isinstance(error, OSError):
                raise
            raise StoreError(
                f"a file of the store {store.root} or of the data can no longer be used ({error}); nothing "
                "recorded is lost: mend that and run the same command again"
            ) from error
        winners = [
            (best.record.key, _winner_files(store.model(sweep.name, best.record)))
            for best in best_by_workload(sweep, engine.records).values()
        ]
        ending = "KILLED" if not engine.done else "FAILED" if status.failures else "FINISHED"
        warning = projection.close([report, folder / "sweep.json"], winners, ending)
    limit = engine.limit if status.finished < status.total else ""
    return Outcome(engine.records, engine.done, limit, report, time.monotonic() - started, warning)


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
