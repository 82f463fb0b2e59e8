"""Reports of sweeps: from their records alone, also while they run."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dropattack import UsageError
from dropattack.imported import given_only
from search.definition.sweep import Sweep
from search.records.notes import DATA, VERDICT, note_report, report_is_whole, set_aside
from search.records.record import Record
from search.records.store import Store
from search.results.best import best_by_workload
from search.results.frames import records_for_analysis
from search.results.verdict import note_verdicts
from search.tracking.shown import ShownRuns, shown_of
from trainables.recipe.precision import arithmetic
from trainables.recipe.splitting import split_for
from trainables.remote.files import send_all
from trainables.saved import load_model
from trainables.workloads import workload_named

if TYPE_CHECKING:
    from analysis.document import Section
    from analysis.records import Records


def best_record(sweep: Sweep, records: Iterable[Record]) -> Record | None:
    """The trial that gives the model of the best configuration; of several workloads the first one's."""
    found = best_by_workload(sweep, records)
    return next((found[workload].record for workload in sweep.workloads if workload in found), None)


def write_report(sweep: Sweep, store: Store, records: Sequence[Record], shown: ShownRuns) -> Path:
    """Writes the report of records at hand into the sweep's folder."""
    return _render(store, sweep.name, tables_of(sweep, store, records, shown))


def standing_report(sweep: Sweep, store: Store) -> Path | None:
    """The report of a sweep, where it is whole, as new as its records, and its verdict is noted."""
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
    landscape: Path | None = None,
) -> Path:
    """Writes the report of a sweep from its records; no code is imported that nobody gave.

    Args:
        name: Name of the sweep.
        store: Where it is.
        tracking_uri: MLflow server that its links lead to; the store's own where it is empty.
        formats: See `analysis.report.write_report`.
        landscape: Data root, where the loss landscapes of saved models are to be drawn: this evaluates the
            models at thousands of points.

    Raises:
        UsageError: A sweep has not been run, or a format is unknown.
    """
    store.look_at_notes(name)
    tables = tables_named(name, store, tracking_uri)
    extra: list[Section] = []
    if landscape is not None:
        sweep = store.recorded(name)
        records = store.journal(sweep).records
        extra += [_landscape(sweep, store, records, workload, landscape) for workload in sweep.workloads]
    return _render(store, name, tables, formats, extra)


def _render(
    store: Store,
    name: str,
    tables: "Records",
    formats: Iterable[str] = ("html",),
    extra: "Sequence[Section]" = (),
) -> Path:
    """Writes a report, and notes what was written; what is in its place and no file is set aside."""
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
    """Records at hand as `analysis` reads them, with what is known of their runs."""
    return records_for_analysis(
        sweep,
        records,
        shown,
        store.versions(sweep.name),
        store.robustness(sweep.name),
        [run.of.facts | {"at": run.last, "times": str(run.times)} for run in store.runs(sweep.name)],
        _lacking(store, sweep.name),
    )


def _landscape(sweep: Sweep, store: Store, records: Sequence[Record], workload: str, data: Path) -> "Section":
    """Landscapes of the best baseline and the best attack of a workload, on test data; on a GPU if any."""
    from analysis.questions import landscape
    from analysis.questions.sharpness import sharpness
    from analysis.sections import landscape as section

    own = [record for record in records if record.trial.workload == workload]
    baselines = [record for record in own if record.trial.method == "standard"]
    attacks = [record for record in own if record.trial.method != "standard"]
    chosen = [best for group in (baselines, attacks) if (best := best_record(sweep, group)) is not None]
    if not chosen:
        raise UsageError(f"{sweep.name} has no complete trial of {workload}, and so no landscape to draw")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    models = {}
    for record in chosen:
        module = load_model(store.model(sweep.name, record), workload_named(workload)).model.to(device)
        models[record.name] = (module, module.state_dict())
    trial = chosen[0].trial
    whole = workload_named(workload).load(data, trial.data)
    how, seed = trial.training_settings.split, trial.seed_for("split")
    split = split_for(how, trial.seed, seed, whole).test.to(device)
    with arithmetic("float32"):
        return section.section(
            landscape.line(models, split),
            landscape.surface(models, split, progress=_say_progress),
            sharpness(models, split),
            workload if len(sweep.workloads) > 1 else "",
        )


def _say_progress(done: int, total: int) -> None:
    """A line on standard error at every tenth of the way."""
    if done * 10 // total > (done - 1) * 10 // total:
        print(f"landscape: {done}/{total} points", file=sys.stderr, flush=True)


def _lacking(store: Store, name: str) -> Sequence[str]:
    """Lines on the data of a sweep that were not all that was published."""
    return store.noted(name, DATA) or ()
