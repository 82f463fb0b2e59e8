"""Gains over the baseline, each against standard training of the same workload, settings and seed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.records import BASELINE, Metric, Records, control_names
from analysis.statistics import ALPHA, holm, t_half_width, t_p_value


def groups(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """A number for every distinct combination of columns, missing values being equal to each other."""
    return (
        frame.groupby(list(columns), dropna=False, sort=True).ngroup() if len(frame) else pd.Series(dtype=int)
    )


def with_gain(records: Records, trials: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Adds ``score`` (the metric), ``baseline`` and ``gain`` to trials.

    A gain is positive where the trial is better, whichever way the metric points; it is missing where no
    baseline of that seed is recorded, and for the baseline itself, whose gain over itself is no hypothesis
    that corrections should count. Several records of one baseline are averaged.
    """
    column = records.values(metric)
    scored = trials.assign(score=trials[column].astype(float))
    pair = ["workload", *records.training, "seed"]
    baseline = records.baselines().groupby(pair, dropna=False)[column].mean().rename("baseline").reset_index()
    if baseline.empty:
        return scored.assign(baseline=np.nan, gain=np.nan)
    merged = scored.merge(baseline, on=pair, how="left")
    gain = metric.sign * (merged["score"] - merged["baseline"])
    itself = (merged["method"] == BASELINE) & (control_names(merged) == "")
    return merged.assign(gain=gain.mask(itself))


def summarise(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean, t interval and paired t test of every group of trials.

    Args:
        scored: What `with_gain` gave; ``spent``, where there is such a column, holds the degrees of freedom
            that were spent on choosing.
        by: Columns that name a group.

    Returns:
        One row per group: ``by``, ``n, mean, sd, low, high`` of the score and
        ``gain_n, gain, gain_sd, gain_low, gain_high, p_value`` of the gain; intervals are missing where
        n < 2.
    """
    if "spent" not in scored:
        scored = scored.assign(spent=0)
    columns = ["score", "gain", "spent"]
    seeds = scored.groupby([*by, "seed"], dropna=False, sort=True)[columns].mean().reset_index()
    table = seeds.groupby(list(by), dropna=False, sort=True).agg(
        n=("score", "count"),
        mean=("score", "mean"),
        sd=("score", "std"),
        gain_n=("gain", "count"),
        gain=("gain", "mean"),
        gain_sd=("gain", "std"),
        spent=("spent", "max"),
    )
    spent = table.pop("spent")
    half = t_half_width(table["n"], table["sd"], spent, table["mean"])
    gain_half = t_half_width(table["gain_n"], table["gain_sd"], spent, table["gain"])
    table = table.assign(
        low=table["mean"] - half,
        high=table["mean"] + half,
        gain_low=table["gain"] - gain_half,
        gain_high=table["gain"] + gain_half,
        p_value=t_p_value(table["gain_n"], table["gain"], table["gain_sd"], spent),
    )
    return table.reset_index()


def adjusted(table: pd.DataFrame, within: Sequence[str]) -> pd.DataFrame:
    """Adds Holm's ``p_holm``, with one family of tests per group of ``within``, and ``significant``."""
    if table.empty:
        return table.assign(p_holm=pd.Series(dtype=float), significant=pd.Series(dtype=bool))
    family = groups(table, within) if within else pd.Series(0, index=table.index)
    p_holm = table["p_value"].groupby(family).transform(holm)
    return table.assign(p_holm=p_holm, significant=(p_holm < ALPHA).fillna(False))
