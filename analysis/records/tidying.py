"""Tidies the tables of trials and epochs: required columns, types, and one order of rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.records.budgets import BUDGET, COUNTED
from analysis.records.identity import BASELINE, CONFIGURATION, CONTROL, identified

TEXT = (
    *("key", CONFIGURATION, CONTROL, "sweep", "stage", "state"),
    *("reason", "reused_from", "workload", "method", "run_id"),
)
NUMBERS = ("seed", "passes", "value", "best_epoch", "epochs", "seconds")
SPLITS = ("train", "valid", "test")
TESTED_WITH = ("training.robustness", "training.test")
"""How trained models were tested, which is no part of their training."""


def is_metric(column: str) -> bool:
    """Whether a column holds a metric of a split."""
    return column.partition("_")[0] in SPLITS


def tidy_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Gives every required column its type, sorts rows by key, and turns infinities into missing values."""
    trials = trials.reset_index(drop=True)
    tidy = pd.DataFrame(index=trials.index)
    for column in TEXT:
        tidy[column] = trials[column].fillna("").astype(str) if column in trials else ""
    for column in NUMBERS:
        tidy[column] = _numbers(trials[column]) if column in trials else np.nan
    others = {}
    for column in sorted(set(map(str, trials.columns)) - {*TEXT, *NUMBERS, BUDGET, COUNTED}):
        others[column] = _plain(trials[column], column)
    tidy = pd.concat([tidy, pd.DataFrame(others, index=trials.index)], axis=1)
    settings = [column for column in others if not is_metric(column)]
    tidy = identified(tidy, ["workload", "method", *(c for c in settings if c not in TESTED_WITH)])
    return tidy.loc[_in_order(tidy, settings)].reset_index(drop=True)


def _in_order(trials: pd.DataFrame, settings: Sequence[str]) -> pd.Index:
    """Rows by key; of one training first its name: no control, the baseline, or what was trained."""
    ranks = {"_control": trials[CONTROL] != "", "_other": trials["method"] != BASELINE}
    ranks["_reused"] = trials["reused_from"] != ""
    by = ["key", *ranks, "stage", "seed", "method", *settings]
    return trials.assign(**ranks).sort_values(by, kind="stable").index


def tidy_epochs(epochs: pd.DataFrame) -> pd.DataFrame:
    """``key, epoch`` and metric columns, sorted by both."""
    if epochs.empty:
        return pd.DataFrame({"key": pd.Series(dtype=str), "epoch": pd.Series(dtype=float)})
    tidy = pd.DataFrame({"key": epochs["key"].astype(str), "epoch": _numbers(epochs["epoch"])})
    metrics = {c: _numbers(epochs[c]) for c in sorted(set(epochs.columns) - {"key", "epoch"})}
    tidy = pd.concat([tidy, pd.DataFrame(metrics, index=epochs.index)], axis=1)
    return tidy.sort_values(["key", "epoch"], kind="stable").reset_index(drop=True)


def _numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def _plain(column: pd.Series, name: str) -> pd.Series:
    """Numbers as floats where every present value is one, text otherwise; missing values are kept."""
    if is_metric(name):
        return _numbers(column)
    present = column.notna()
    if present.any() and column[present].map(lambda value: isinstance(value, bool | np.bool_)).all():
        return column.astype(object).where(present, None).map(lambda v: v if v is None else str(bool(v)))
    numbers = pd.to_numeric(column, errors="coerce")
    if name != "targets" and numbers[present].notna().all():
        return numbers.astype(float)
    return column.astype(object).where(present, None).map(lambda v: v if v is None else str(v))
