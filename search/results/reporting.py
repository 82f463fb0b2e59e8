"""Writes reports of sweeps from their records alone, also while they run."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dropattack import UsageError
from dropattack.imported import given_only
from search.definition.sweep import Sweep
from search.records.moved import command_at
from search.records.notes import DATA, VERDICT, note_report, report_is_whole, set_aside
from search.records.provenance import Run
from search.records.record import Record
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.frames import records_for_analysis
from search.results.verdict import note_verdicts
from search.tracking.shown import ShownRuns, shown_of
from trainables.remote.bucket import RemoteError
from trainables.remote.files import send_all
from trainables.saved import recognised

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from analysis.document import Section
    from analysis.records import Records
    from search.results.landscapes import Landscape


def best_record(sweep: Sweep, records: Iterable[Record]) -> Record | None:
    """The trial with the best configuration's model; of several workloads, the first one's."""
    found = best_by_workload(sweep, records)
    return next((found[workload].record for workload in sweep.workloads if workload in found), None)


def write_report(sweep: Sweep, store: Store, records: Sequence[Record], shown: ShownRuns) -> Path:
    """Writes the report of given records into the sweep's folder."""
    return _render(store, sweep.name, tables_of(sweep, store, records, shown))


def standing_report(sweep: Sweep, store: Store) -> Path | None:
    """The report of a sweep if it is whole and as new as the records, and its verdict is noted."""
    report = store.report(sweep.name)
    if not report_is_whole(report) or store.noted(sweep.name, VERDICT) is None:
        return None
    sources = (store.journal_path(sweep.name), store.robustness_path(sweep.name))
    newest = max((path.stat().st_mtime_ns for path in sources if path.exists()), default=0)
    return report if report.stat().st_mtime_ns >= newest else None


@given_only()
def report_sweep(
    name: str,
    store: Store,
    tracking_uri: str = "",
    formats: Iterable[str] = ("html",),
    landscape: "Landscape | None" = None,
) -> Path:
    """Writes the report of a sweep from its records; imports only code that a person gave.

    Args:
        name: Name of the sweep.
        store: Where it is.
        tracking_uri: MLflow server that its links lead to; the store's own where it is empty.
        formats: See `analysis.report.write_report`.
        landscape: How to draw the loss landscapes of saved models; ``None`` for none.

    Raises:
        UsageError: A sweep has not been run, a format is unknown, or there is no model to draw.
    """
    store.look_at_notes(name)
    tables = tables_named(name, store, tracking_uri)
    extra: list[Section] = []
    if landscape is not None:
        from search.results.landscapes import landscape_sections

        sweep = store.recorded(name)
        extra += landscape_sections(sweep, store, store.journal(sweep).records, landscape)
    return _render(store, name, tables, formats, extra)


def _render(
    store: Store,
    name: str,
    tables: "Records",
    formats: Iterable[str] = ("html",),
    extra: "Sequence[Section]" = (),
) -> Path:
    """Writes a report, and notes what was written; moves aside anything but a file in its place."""
    from analysis.report import write_report as render

    path, wanted = store.report(name), list(formats)
    if not path.parent.resolve().is_relative_to(store.root.resolve()):
        raise UsageError(f"{path.parent} is a link that leads out of the store; remove it")
    try:
        path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError:
        set_aside(path)
    first = render(tables, path.parent, wanted, extra)
    if "html" in wanted:
        note_report(path)
    send_all(path.parent)
    note_verdicts(store, name, tables)
    return first


def tables_named(name: str, store: Store, tracking_uri: str = "") -> "Records":
    """A sweep's records as `analysis` reads them.

    Args:
        name: Name of the sweep.
        store: Where it is.
        tracking_uri: MLflow server that links lead to; the store's own where it is empty.

    Raises:
        UsageError: The sweep has not been run.
    """
    sweep = store.recorded(name)
    return tables_of(sweep, store, store.journal(sweep).records, shown_of(store, name, tracking_uri))


def tables_of(sweep: Sweep, store: Store, records: Sequence[Record], shown: ShownRuns) -> "Records":
    """Given records as `analysis` reads them, with what is known of their runs."""
    return records_for_analysis(
        sweep,
        records,
        shown,
        store.versions(sweep.name),
        store.robustness(sweep.name),
        [_told(run, store.name) for run in store.runs(sweep.name)],
        _lacking(store, sweep.name),
        partial(_recognised, store, sweep.name, {record.key: record for record in records}),
    )


def _told(run: Run, store: str) -> dict[str, str]:
    """Where a run came from, by name, and what to type to go on with it."""
    command = command_at(run.of.command, store)
    return {**run.of.facts, "command": command, "at": run.last, "times": str(run.times)}


def _recognised(
    store: Store, sweep: str, records: Mapping[str, Record], key: str
) -> "NDArray[np.bool_] | None":
    """Which test examples a trial's model recognises; ``None`` if the model is gone or lacks that.

    Raises:
        RemoteError: The store cannot be reached.
    """
    try:
        right = recognised(store.model(sweep, records[key]))
    except RemoteError:  # a report without it would be of fewer models than there are
        raise
    except UsageError:
        return None
    return None if right is None else right.numpy()


def _lacking(store: Store, name: str) -> Sequence[str]:
    """Lines on the data of a sweep that were only a part of the published ones."""
    return store.noted(name, DATA) or ()
