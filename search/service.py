"""Running a sweep: from checking the request to its outcome."""

import time
from pathlib import Path

from rich.console import Console

from search.definition.sweep import Sweep
from search.engine.code import remarks_on_code, sweep_code
from search.engine.compatibility import check_extends, check_records, check_warm_starts
from search.engine.datasets import verified_data
from search.engine.engine import Engine
from search.engine.proposers import Checksum
from search.execution.job import check_job
from search.records.journal import exclusive
from search.records.provenance import provenance
from search.records.store import Store
from search.results.outcome import Outcome
from search.tracking.settled import is_settled


def run_sweep(
    sweep: Sweep,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str = "",
    verbose: bool = False,
) -> Outcome:
    """Does what remains of a sweep, then writes its report.

    Where nothing remains, Ray is not started; where MLflow and the report are as the last run left them, they
    are not opened either.

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
        if not left and old == sweep and not tracking_uri and is_settled(store, sweep.name):
            report, warning = store.report(sweep.name), ""
        else:
            from search.session import finish_sweep

            report, warning = finish_sweep(
                engine, store, data, console, tracking_uri, verbose, changed=old != sweep
            )
    finished = sum(record.finished for record in engine.records)
    limit = engine.limit if finished < engine.total else ""
    return Outcome(engine.records, engine.done, limit, report, time.monotonic() - started, warning)


def _connect(sweep: Sweep, store: Store, data: Path, checksum: Checksum, verbose: bool) -> None:
    """Joins or starts Ray, and checks that its nodes can run the sweep."""
    from search.execution import preflight, tuning

    tuning.connect(verbose)
    preflight.check_cluster(sweep, store.root, data, checksum)
