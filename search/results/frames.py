"""Records as the tidy tables that `analysis` reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.aims import PASSES, SCORE
from analysis.records import CONFIGURATION, CONTROL, Records
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.tracking.shown import ShownRuns

T = TypeVar("T")


def records_for_analysis(
    sweep: Sweep,
    records: Sequence[Record],
    shown: ShownRuns,
    versions: Mapping[str, str],
    later: Mapping[str, Mapping[str, float]] | None = None,
    runs: Sequence[Mapping[str, str]] = (),
    incomplete: Sequence[str] = (),
    recognised: Callable[[str], NDArray[np.bool_] | None] = lambda key: None,
) -> Records:
    """Builds the tables of a report.

    Args:
        sweep: What was run.
        records: Its records.
        shown: Where MLflow shows them.
        versions: Versions of the libraries with which the sweep ran.
        later: Metrics measured after the training, by trial key.
        runs: Where its runs came from, by name; see `analysis.records.Records`.
        incomplete: Lines on data that are only a part of the published ones.
        recognised: See `analysis.records.Records`.
    """
    measured = later or {}
    decides = sweep.select.rule.decides
    trials = pd.DataFrame(
        [
            _row(sweep, record, _named(shown.ids, record, "")) | dict(_named(measured, record, {}))
            for record in records
        ]
    )
    by_key = {record.key: record for record in sorted(records, key=lambda r: len(r.epochs))}
    epochs = pd.DataFrame(
        [{"key": key, **_shown(metrics)} for key, record in by_key.items() for metrics in record.epochs]
    )
    return Records(
        trials=trials,
        epochs=epochs,
        sweep=sweep.model_dump(mode="json"),
        select=decides.column,
        mode="max" if decides.sign > 0 else "min",
        versions=versions,
        runs=runs,
        incomplete=incomplete,
        recognised=recognised,
        run_url=shown.url,
    )


def _row(sweep: Sweep, record: Record, run_id: str) -> dict[str, Any]:
    trial = record.trial
    best = record.best(sweep.select)
    last = record.epochs[-1] if record.epochs else {}
    row: dict[str, Any] = {
        "key": record.key,
        CONFIGURATION: record.identity.configuration,
        CONTROL: record.identity.control,
        "sweep": sweep.name,
        "stage": record.stage,
        "state": record.state.value,
        "reason": record.reason,
        "reused_from": record.reused_from,
        "workload": trial.workload,
        "method": trial.method,
        "seed": trial.seed,
        "passes": record.passes,
        "run_id": run_id,
        "value": record.value(sweep.select),
        "best_epoch": best["epoch"] if best else None,
        "epochs": len(record.epochs),
        "seconds": sum(metrics.get("seconds", 0.0) for metrics in record.epochs),
    }
    row |= dict(trial.hyperparameters)
    row |= trial.options()
    row |= {name: value for name, value in last.items() if name.startswith(("train_", "test_"))}
    return row | (_aimed_at(sweep, record, last) if sweep.select.several else {})


def _aimed_at(sweep: Sweep, record: Record, last: Mapping[str, float]) -> dict[str, Any]:
    """Values of several aims on validation and on test, and of the score if weights decide."""
    rule = sweep.select.rule
    valid = record.aims(sweep.select)
    test = {name: last.get(f"test_{name}") for name in valid}
    if PASSES in valid and record.state is State.COMPLETE:
        test[PASSES] = valid[PASSES]
    if rule.weights:
        valid, test = ({**values, SCORE: rule.value(values)} for values in (valid, test))
    found = {"valid": valid, "test": test}
    return {f"{split}_{name}": value for split, values in found.items() for name, value in values.items()}


def _named(found: Mapping[str, T], record: Record, otherwise: T) -> T:
    """The value under a record's key, or under its former one."""
    return found.get(record.key, found.get(record.former, otherwise))


def _shown(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name != "recorded_at"}
