"""Learning curves: what every epoch of the compared configurations measured."""

from collections.abc import Sequence

import pandas as pd

from analysis.pairing import groups
from analysis.records import COMPLETE, Records, labels
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
    names = [c for c in records.configuration if c != "workload" and "." not in c]
    trials = trials.assign(config=groups(trials, names)).drop_duplicates("key")
    first = trials.drop_duplicates("config")
    named = dict(zip(first["config"], labels(first, names), strict=True))
    rows = records.epochs.merge(trials[["key", "workload", "config"]], on="key")
    long = rows.melt(["workload", "config", "epoch"], metrics, "metric", "value").dropna(subset="value")
    by = ["workload", "config", "metric", "epoch"]
    table = long.groupby(by)["value"].agg(n="count", mean="mean", sd="std").reset_index()
    half = t_half_width(table["n"], table["sd"])
    return table.assign(
        configuration=table["config"].map(named), low=table["mean"] - half, high=table["mean"] + half
    ).drop(columns=["config", "sd"])
