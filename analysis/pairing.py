"""Gains over the baseline, each against standard training of the same workload, settings and seed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.records import CONFIGURATION, Metric, Records
from analysis.statistics import ALPHA, holm, t_half_width, t_p_value


def groups(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """A number for every distinct combination of columns; missing values are equal to each other."""
    return (
        frame.groupby(list(columns), dropna=False, sort=True).ngroup() if len(frame) else pd.Series(dtype=int)
    )


def with_gain(records: Records, trials: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Adds ``score`` (the metric), ``baseline``, ``is_baseline``, ``gain``, ``least``, ``most`` and ``row``.

    A gain is positive if the trial is better, whichever way the metric points. It is missing if no baseline
    of that seed is recorded. It is also missing for the baseline itself, under whatever name: its gain over
    itself is no hypothesis that corrections should count. Several records of one baseline are averaged.
    ``least`` and ``most`` are the bounds of a score (`Metric.bounds`); ``row`` is the row of
    `Records.trials`, the index unless ``trials`` has such a column.
    """
    column = records.values(metric)
    least, most = metric.bounds
    scored = trials.assign(score=trials[column].astype(float), is_baseline=records.plain(trials))
    scored = scored.assign(least=least, most=most, row=trials.get("row", trials.index))
    baseline = records.baselines().groupby(records.pair, dropna=False)[column].mean().rename("baseline")
    if baseline.empty:
        return scored.assign(baseline=np.nan, gain=np.nan)
    merged = scored.merge(baseline.reset_index(), on=records.pair, how="left")
    gain = metric.sign * (merged["score"] - merged["baseline"])
    return merged.assign(gain=gain.mask(merged["is_baseline"]))


def samples(scored: pd.DataFrame, by: Sequence[str]) -> pd.Series:
    """The trainings behind every group of trials, as text: groups of one sample are one result.

    Args:
        scored: Trials of `with_gain`.
        by: Columns that name a group; the index of the result.
    """
    training = groups(scored, [CONFIGURATION, "seed"])
    once = scored.assign(sample=training).drop_duplicates([*by, "sample"]).sort_values("sample")
    once["sample"] = once["sample"].astype(str)
    return once.groupby(list(by), dropna=False, sort=True)["sample"].agg(",".join)


def summarise(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean, t interval and paired t test of every group of trials.

    Args:
        scored: Trials of `with_gain`; a column ``spent``, if there is one, holds the degrees of freedom that
            were spent on choosing.
        by: Columns that name a group.

    Returns:
        One row per group: ``by``, ``n, mean, sd, low, high`` of the score and
        ``gain_n, gain, gain_sd, gain_low, gain_high, p_value`` of the gain; intervals are missing if n <
        `analysis.statistics.FEWEST`. They are cut at the bounds of scores and gains; the true mean lies
        within these, so that cutting loses no coverage. ``is_baseline`` says whether the group is the
        baseline itself, ``sample`` is that of `samples`, and ``trials`` holds its rows of `Records.trials`.
    """
    if "spent" not in scored:
        scored = scored.assign(spent=0)
    columns = ["score", "gain", "spent", "least", "most"]
    seeds = scored.groupby([*by, "seed"], dropna=False, sort=True)[columns].mean().reset_index()
    table = seeds.groupby(list(by), dropna=False, sort=True).agg(
        n=("score", "count"),
        mean=("score", "mean"),
        sd=("score", "std"),
        gain_n=("gain", "count"),
        gain=("gain", "mean"),
        gain_sd=("gain", "std"),
        spent=("spent", "max"),
        least=("least", "first"),
        most=("most", "first"),
    )
    spent, least, most = (table.pop(name) for name in ("spent", "least", "most"))
    is_baseline = scored.groupby(list(by), dropna=False, sort=True)["is_baseline"].all()
    half = t_half_width(table["n"], table["sd"], spent, table["mean"])
    gain_half = t_half_width(table["gain_n"], table["gain_sd"], spent, table["gain"])
    table = table.assign(
        low=(table["mean"] - half).clip(lower=least),
        high=(table["mean"] + half).clip(upper=most),
        gain_low=(table["gain"] - gain_half).clip(lower=least - most),
        gain_high=(table["gain"] + gain_half).clip(upper=most - least),
        p_value=t_p_value(table["gain_n"], table["gain"], table["gain_sd"], spent),
        is_baseline=is_baseline,
        sample=samples(scored, by),
        trials=scored.groupby(list(by), dropna=False, sort=True)["row"].agg(tuple),
    )
    return table.reset_index()


def adjusted(table: pd.DataFrame, within: Sequence[str]) -> pd.DataFrame:
    """Adds Holm's ``p_holm``, with one family of tests per group of ``within``, and ``significant``."""
    if table.empty:
        return table.assign(p_holm=pd.Series(dtype=float), significant=pd.Series(dtype=bool))
    family = groups(table, within) if within else pd.Series(0, index=table.index)
    p_holm = holm_once(table["p_value"], table["sample"], family)
    return table.assign(p_holm=p_holm, significant=(p_holm < ALPHA).fillna(False))


def holm_once(p_values: pd.Series, sample: pd.Series, family: pd.Series) -> pd.Series:
    """Holm's p-values if one test may be in several rows: it counts once, by its largest p-value.

    Args:
        p_values: The p-value of every row; missing if there is no test.
        sample: The tested sample; rows of one sample are one test.
        family: The rows that are corrected together.
    """
    test = groups(pd.DataFrame({"family": family, "sample": sample}), ["family", "sample"])
    largest = p_values.groupby(test).transform("max")
    first = largest.mask(test.duplicated())
    return first.groupby(family).transform(holm).groupby(test).transform("max").where(p_values.notna())
