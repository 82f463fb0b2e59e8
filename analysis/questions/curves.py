"""Learning curves: what every epoch of the compared configurations measured."""

from collections.abc import Sequence

import pandas as pd

from analysis.records import COMPLETE, CONFIGURATION, Metric, Records, labels, one_per_training
from analysis.statistics import t_half_width


def learning_curves(records: Records, keys: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Mean and t interval per epoch over the seeds of each configuration.

    Args:
        records: What was recorded.
        keys: Trials to draw; only complete ones are, so that a curve's n does not change along the way.
        metrics: Columns of `Records.epochs`; those that were not recorded are left out.

    Returns:
        Tidy rows ``workload, configuration, metric, epoch, n, mean, low, high``.
    """
    metrics = [m for m in metrics if m in records.epochs]
    trials = records.trials[records.trials["key"].isin(keys) & (records.trials["state"] == COMPLETE)]
    if trials.empty or not metrics:
        return pd.DataFrame()
    trials = one_per_training(trials)
    first = trials.drop_duplicates(CONFIGURATION)
    names = [c for c in records.spelling if c != "workload"]
    names = [c for c in names if "." not in c or first[c].nunique(dropna=False) > 1]
    named = dict(zip(first[CONFIGURATION], labels(first, names), strict=True))
    rows = records.epochs.merge(trials[["key", "workload", CONFIGURATION]], on="key")
    by = ["workload", CONFIGURATION, "metric", "epoch"]
    long = rows.melt(["workload", CONFIGURATION, "epoch"], metrics, "metric", "value").dropna(subset="value")
    table = long.groupby(by)["value"].agg(n="count", mean="mean", sd="std").reset_index()
    half = t_half_width(table["n"], table["sd"])
    bounds = pd.DataFrame([Metric(m).bounds for m in table["metric"]], table.index, ["least", "most"])
    return table.assign(
        configuration=table[CONFIGURATION].map(named),
        low=(table["mean"] - half).clip(lower=bounds["least"]),
        high=(table["mean"] + half).clip(upper=bounds["most"]),
    ).drop(columns=[CONFIGURATION, "sd"])
