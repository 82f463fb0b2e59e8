"""Running a sweep: from checking the request to its outcome."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dropattack.imported import given_only
from search.console.doing import doing
from search.console.terminal import show_line
from search.definition.source import given
from search.definition.sweep import Sweep
from search.engine.code import remarks_on_code
from search.engine.datasets import remarks_on_incomplete_data
from search.engine.engine import Engine
from search.engine.plan import remarks_on_definition
from search.engine.proposers import Checksum, total_of
from search.engine.readiness import check_ready
from search.engine.retrying import failed_from_outside
from search.execution.interruption import check_interrupted, sigterm_interrupts
from search.execution.job import check_job
from search.execution.unanswered import ends_unanswered
from search.notification import End, telling
from search.records.journal import exclusive
from search.records.meanwhile import Meanwhile
from search.records.notes import DATA, VERDICT
from search.records.provenance import provenance
from search.records.record import Record
from search.records.store import Store
from search.results.breaking import run_errors
from search.results.outcome import Outcome
from search.tracking.settled import is_settled


@given_only()
@sigterm_interrupts()
def run_sweep(
    sweep: Sweep,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str = "",
    verbose: bool = False,
    retry_failed: bool = False,
    only: Sequence[str] = (),
) -> Outcome:
    """Does what remains of a sweep, then writes its report.

    Only code that the sweep names is imported, whatever the store holds.

    Ctrl-C and SIGTERM stop the trials and report what is recorded; a second one skips the report.

    The address that ``notify`` names gets a message on how the run ended, unless the request was refused.

    If nothing remains, Ray does not start. If MLflow and the report are as the last run left them, they stay
    closed.

    Args:
        sweep: What to run.
        store: Where to keep it.
        data: The data root.
        console: Where to show progress.
        tracking_uri: MLflow server; the store's own database where it is empty.
        verbose: Whether to show Ray's messages.
        retry_failed: Whether to try again trials that failed for a reason outside of them.
        only: Workloads to run; all where none is named. The sweep is recorded as a whole either way, so that
            a later run does what remains of it.

    Raises:
        UsageError: The request is wrong; nothing has been started.
        RunError: Ray cannot start, or the run cannot go on; what is recorded is whole. It is a `StoreError`
            where a file of the store or of the data broke.
        KeyboardInterrupt: A signal arrived before its trials began, or a second one after that.
    """
    with telling(sweep, store, console) as end:
        outcome = _run(sweep.recorded, store, data, console, tracking_uri, verbose, retry_failed, only, end)
    return end.after(outcome)


def _run(
    sweep: Sweep,
    store: Store,
    data: Path,
    console: Console,
    tracking_uri: str,
    verbose: bool,
    retry_failed: bool,
    only: Sequence[str],
    end: End,
) -> Outcome:
    started = time.monotonic()
    given(sweep, "")
    check_job(store.root)
    folder = store.folder(sweep.name)
    with exclusive(folder):
        old = store.standing_definition(sweep.name)
        with doing(console, "checking the sweep, its data and its records", may_refuse=True):
            ready = check_ready(sweep, store, data, tracking_uri, writable=True, only=only)
        journal, checksum, asked = ready.journal, ready.checksum, ready.asked
        assert journal is not None, "a journal that is opened for writing is there"
        meanwhile = Meanwhile(store, sweep.name)
        elsewhere = store.complete_elsewhere(sweep)

        def engine_now() -> Engine:
            return Engine(asked, journal, checksum, elsewhere.records, store.complete, meanwhile=meanwhile)

        engine = engine_now()
        failed = failed_from_outside(engine.records) if retry_failed else []
        left = engine.left or bool(failed)
        remarks = [*ready.remarks, *elsewhere.left_out]
        if left:
            remarks += remarks_on_code(journal.apart, ready.code, store.code(sweep.name))
            remarks += [*meanwhile.remarks, *engine.remarks, *remarks_on_definition(asked, data)]
        for remark in remarks:
            show_line(console, remark)
        if left:
            of = provenance(sweep)
            here = any(run.of.machine == of.machine for run in store.runs(sweep.name))
            with doing(console, "trying each workload on a few examples", may_refuse=True):
                _rehearse(asked, data, checksum, engine.records if here else ())
            with doing(console, "starting Ray"):
                _connect(asked, store, data, checksum, verbose)
        lacking = remarks_on_incomplete_data(asked, data)
        with run_errors(store):
            if left:
                store.note_run(sweep.name, of, begun=bool(journal.records))
            store.note_code(sweep.name, ready.code)
            if lacking != (store.noted(sweep.name, DATA) or []):
                store.note(sweep.name, DATA, lacking)
            store.define(sweep)
            whole = asked is sweep
            store.note_total(sweep.name, engine.total if whole else total_of(sweep))
            store.note_extent(sweep.name)
            if retry_failed:
                for record in failed:
                    journal.retry(record)
                engine = engine_now()
                show_line(console, f"failed trials that are tried again: {len(failed)}")
        before = {record.number: _extent(record) for record in engine.records}
        if not left and old == sweep and not tracking_uri and is_settled(store, sweep.name):
            report, warning = store.report(sweep.name), ""
        else:
            from search.session import finish_sweep

            changed = old != sweep
            report, warning = finish_sweep(
                engine, sweep, store, data, console, tracking_uri, verbose, changed, end.interrupted
            )
        with run_errors(store):
            if whole and not engine.limit:
                store.note_total(sweep.name, engine.total)
            store.note_extent(sweep.name)
        for remark in store.remarks.values():
            show_line(console, remark)
    finished = sum(record.finished for record in engine.records)
    limit = engine.limit if finished < engine.total else ""
    trained = sum(
        _extent(record) != before.get(record.number) or record.key in engine.further
        for record in engine.records
    )
    warning = "; ".join(filter(None, [warning, meanwhile.warning]))
    seconds, verdict = time.monotonic() - started, store.noted(sweep.name, VERDICT)
    return Outcome(engine.records, engine.done, limit, report, seconds, warning, trained, verdict)


def _extent(record: Record) -> tuple[float, bool] | None:
    """When an epoch was last trained here, and whether the last was; ``None`` if another record answered."""
    at = record.epochs[-1].get("recorded_at", 0.0) if record.epochs else 0.0
    return None if record.reused_from else (at, record.finished)


def _rehearse(sweep: Sweep, data: Path, checksum: Checksum, records: Sequence[Record]) -> None:
    from search.engine.rehearsal import rehearse_sweep

    rehearse_sweep(sweep, data, checksum, records)


def _connect(sweep: Sweep, store: Store, data: Path, checksum: Checksum, verbose: bool) -> None:
    """Joins or starts Ray, and checks that its nodes can run the sweep."""
    from search.execution import preflight, tuning

    check_interrupted()
    tuning.connect(verbose)
    check_interrupted()
    with ends_unanswered(lambda: None):
        preflight.check_cluster(sweep, store.root, data, checksum)
