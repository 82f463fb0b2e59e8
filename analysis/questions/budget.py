"""The cost of results: quality against passes, and how much training data a method saves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.pairing import samples
from analysis.recipes import recipes
from analysis.records import BASELINE, BUDGET, EPOCHS, SIZE, Metric, Records, scale_of, train_sizes
from analysis.scoring import FAMILY, scored_families, summarise_families
from analysis.statistics import estimate


def quality_by_passes(records: Records, metric: Metric) -> pd.DataFrame:
    """Results against K and its cost, for every method and target set that was tried with several K.

    Only trials that share a recipe and the scale of ε form a series over K.

    Returns:
        The columns of `summarise_families` by ``method, targets, scale, k``, and ``per_pass, per_pass_low,
        per_pass_high``: the gain per forward-backward pass beyond the baseline's one, missing where a budget
        leaves none.
    """
    trials = records.complete()
    if not {"k", "targets"} <= set(trials.columns):
        return pd.DataFrame()
    trials = trials[trials["k"].notna() & trials["targets"].notna()]
    trials = trials.assign(scale=scale_of(trials))
    series = ["workload", *records.training, "method", "targets", "scale"]
    several = trials.groupby(series, dropna=False)["k"].transform("nunique") > 1
    by = ["method", "targets", "scale", "k"]
    scored = scored_families(records, trials[several], metric, by)
    if scored.empty:
        return scored
    table = summarise_families(scored, by)
    extra = (table["passes"] - 1).where((table["passes"] > 1) & ~_of_budget(scored, by, table))
    per_pass = {f"per_pass{end}": table[f"gain{end}"] / extra for end in ("", "_low", "_high")}
    return table.assign(**per_pass)


def _of_budget(scored: pd.DataFrame, by: Sequence[str], table: pd.DataFrame) -> pd.Series:
    """Whether each family was compared at equal passes, so that it has no extra ones."""
    if BUDGET not in scored:
        return pd.Series(False, table.index)
    columns = [*FAMILY, *by]
    whole = scored.assign(whole=scored[BUDGET] != scored[EPOCHS])
    found = whole.groupby(columns, dropna=False)["whole"].any().reset_index()
    return table[columns].merge(found, on=columns, how="left")["whole"].set_axis(table.index)


def training_size_curves(records: Records, metric: Metric) -> pd.DataFrame:
    """Results of every method at several training-set sizes, one row per method, recipe, size and seed.

    Returns:
        ``workload, method, recipe`` (but for the size), ``size, seed, score, spent`` and ``sample``, equal
        for methods that are the same trainings; empty where only one size was trained. A full split counts
        as its size (`train_sizes`), and is left out where that is not known.
    """
    trials = records.complete()
    if SIZE not in trials:
        return pd.DataFrame()
    trials = trials.assign(size=train_sizes(records))
    trials = trials[trials["size"].notna()]
    trials = trials.assign(recipe=recipes(records, trials, [SIZE]))
    several = trials.groupby(["workload", "recipe"])["size"].transform("nunique") > 1
    if not several.any():
        return pd.DataFrame()
    scored = scored_families(records, trials[several], metric, ["method", "recipe"])
    scored = scored[(scored["method"] == BASELINE) | ~scored["is_baseline"]]
    by = ["workload", "method", "recipe", "size"]
    scored = scored.merge(samples(scored, by).reset_index(), on=by)
    return scored[[*by, "seed", "score", "spent", "sample"]].sort_values([*by, "seed"], ignore_index=True)


def data_saved(curves: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Share of training data that a method saves at equal quality (the paper claims half).

    A method that reaches with n examples what standard training needs n' for saves 1 - n/n'. n' is read
    off the baseline's curve, made monotone, by interpolation over log n; each seed has its own curve.

    A result below or above the whole curve only bounds n'. A mean over the other seeds would find false
    savings, above all at the smallest size, at which half of all seeds lie below by luck: so there is no mean
    unless all seeds lie inside. If some lie beyond and none below, n' is at least the largest size of the
    curve, which bounds the mean from below.

    Args:
        curves: What `training_size_curves` gave.
        metric: What the scores are.

    Returns:
        ``workload, method, recipe, size, sample, n`` (seeds), of which ``below`` are worse than standard
        training at its smallest size, ``beyond`` better than it at any size, and ``inside`` between;
        ``saved, low, high``, missing unless all are inside; and ``at_least``, a bound of the mean where some
        are beyond and none below.
    """
    found = []
    same = ["workload", "recipe"]
    for (workload, recipe, method), group in curves.groupby([*same, "method"]) if len(curves) else ():
        if method == BASELINE:
            continue
        alike = (curves[same] == [workload, recipe]).all(axis=1)
        baseline = curves[alike & (curves["method"] == BASELINE)]
        for size in sorted(group["size"].unique()):
            rows = group[group["size"] == size]
            curves_by_seed = {seed: own for seed, own in baseline.groupby("seed") if len(own) > 1}
            needed, bounds = [], []
            for seed, score in zip(rows["seed"], rows["score"], strict=True):
                if (own := curves_by_seed.get(seed)) is not None:
                    most = float(own["size"].max())
                    n = examples_needed(own["size"], metric.sign * own["score"], metric.sign * score)
                    needed.append(n)
                    bounds.append(1 - size / min(n, most))
            below, beyond = int(np.isnan(needed).sum()), int(np.isposinf(needed).sum())
            censored = below + beyond > 0
            spent = float(rows["spent"].max()) if "spent" in rows else 0.0
            saved = estimate([] if censored else [1 - size / n for n in needed], spent)
            row = {"workload": workload, "method": method, "recipe": recipe, "size": size}
            row |= {"n": len(needed), "below": below}
            row |= {"inside": len(needed) - below - beyond, "beyond": beyond}
            row["sample"] = rows.get("sample", rows["method"]).iloc[0]
            bounded = float(np.mean(bounds)) if beyond and not below else np.nan
            row |= {"saved": saved.mean, "low": saved.low, "high": saved.high, "at_least": bounded}
            found.append(row)
    return pd.DataFrame(found)


def examples_needed(sizes: ArrayLike, scores: ArrayLike, wanted: float) -> float:
    """Training examples at which a learning curve reaches ``wanted``.

    Args:
        sizes: Where the curve was measured.
        scores: What was measured, larger is better.
        wanted: The score to reach.

    Returns:
        Interpolated over log size; infinity above the curve, NaN below it.

    Examples:
        >>> round(examples_needed([100, 1000], [60, 70], 65))
        316
    """
    order = np.argsort(sizes)
    x = np.log(np.asarray(sizes, dtype=float)[order])
    y = np.maximum.accumulate(np.asarray(scores, dtype=float)[order])
    if wanted > y[-1]:
        return float("inf")
    if wanted < y[0]:
        return float("nan")
    above = int(np.searchsorted(y, wanted))
    if y[above] == wanted:
        return float(np.exp(x[above]))
    share = (wanted - y[above - 1]) / (y[above] - y[above - 1])
    return float(np.exp(x[above - 1] + share * (x[above] - x[above - 1])))
