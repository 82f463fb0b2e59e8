"""Which layers are worth attacking: target sets ranked by their gain over the seed-paired baseline."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.pairing import samples
from analysis.records import Metric, Records, scale_of
from analysis.scoring import FAMILY, TIERS, best_first, scored_families, summarise_families
from analysis.statistics import Friedman, estimate, friedman, holm, rank_correlation, seeds_needed
from dropattack import INPUT, UsageError, parse_targets
from trainables.target_sets import layer_of
from trainables.workloads import workloads

_SIZE = "train_relative_size"


def scored_target_sets(records: Records, metric: Metric) -> pd.DataFrame:
    """Scores target sets as `scored_families` does: one unbiased gain per target set and seed.

    Target sets attacked at an absolute and at a relative ε are ranked apart: ``scale`` says which, and each
    has a ``setting`` of its own. Settings of the training that a search drew are pooled. Those that SAM
    perturbs by its ρ are not ranked.
    """
    trials = records.complete()
    if not {"targets", "epsilon"} <= set(trials.columns):
        return pd.DataFrame()
    trials = trials[trials["targets"].notna() & trials["epsilon"].notna()]
    found: list[pd.DataFrame] = []
    for scale, own in trials.groupby(scale_of(trials), sort=True):
        scored = scored_families(records, own, metric, ["targets"], pooled=True)
        before = found[-1]["setting"].max() + 1 if found else 0
        found.append(scored.assign(scale=scale, setting=scored["setting"] + before))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def rank_target_sets(scored: pd.DataFrame) -> pd.DataFrame:
    """Ranks target sets by mean gain within each workload and training setting.

    It ranks only target sets that are scored alike, in the most trustworthy way available: if some were
    confirmed, the others come below them without a rank. Target sets with the same trainings share a rank.

    Args:
        scored: What `scored_target_sets` gave.

    Returns:
        One row per target set, best first: the columns of `summarise_families`, ``scale``, ``size``,
        ``relative_size`` (mean ‖M∘r‖ / ‖θ‖ of the last epoch, where it was recorded), ``rank`` and ``needed``
        (seeds that would show a true gain of this size with 80 % power; missing where there is no
        test).
    """
    if scored.empty:
        return pd.DataFrame()
    table = summarise_families(scored, ["targets"])
    needed = [seeds_needed(m, s) for m, s in zip(table["gain"], table["gain_sd"], strict=True)]
    table["needed"] = pd.Series(needed, table.index).where(table["p_value"].notna())
    table["size"] = [len(parse_targets(t)) for t in table["targets"]]
    table["scale"] = table["setting"].map(scored.groupby("setting")["scale"].first())
    table["relative_size"] = _mean_size(scored, table)
    table = best_first(table)
    first = table.groupby("setting")["tier"].transform("first")
    paired = table.groupby("setting")["gain_n"].transform("first") > 0
    alike = (table["tier"] == first) & (table["gain"].notna() == paired)
    copy = table.duplicated(["setting", "sample"])
    place = (~copy).groupby(table["setting"]).cumsum()
    place = place.groupby([table["setting"], table["sample"]]).transform("first")
    return table.assign(rank=place.where(alike)).reset_index(drop=True)


def _mean_size(scored: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """The mean relative size of each target set in ``table``, missing where none was recorded."""
    if _SIZE not in scored:
        return pd.Series(np.nan, index=table.index)
    means = scored.groupby(["setting", "targets"])[_SIZE].mean().rename("relative_size")
    return table[["setting", "targets"]].join(means, on=["setting", "targets"])["relative_size"]


def depths(workload: str, targets: Sequence[str]) -> dict[str, int]:
    """Depth of single targets: 0 for the input, then 1, 2, … per layer in the order of the forward pass.

    Weights and biases of one layer share a depth. A target that the workload does not have has none, and
    so has every target of a workload that is not registered here, or whose data are not.
    """
    try:
        known = workloads()[workload].target_names() if workload in workloads() else []
    except UsageError:
        known = []
    layers = list(dict.fromkeys(layer_of(t) for t in known if t != INPUT))
    return {t: 0 if t == INPUT else layers.index(layer_of(t)) + 1 for t in targets if t in known}


def depth_and_gain(scored: pd.DataFrame) -> pd.DataFrame:
    """Whether attacking nearer to the input helps more (the claim of the paper's appendix A).

    For every workload: Spearman's rho between depth and gain of single targets, of those that are scored
    alike, in the most trustworthy way that three share. ``rho, p_value`` are those of mean gains;
    ``seed_rho, low, high, n`` the mean over seeds of each seed's own rho and its t interval, which noise
    draws towards 0. The claim is a negative rho.
    """
    rows = []
    singles = scored[~scored["targets"].str.contains("+", regex=False)] if len(scored) else scored
    if singles.empty:
        return pd.DataFrame()
    for (_, workload, training), group in singles.groupby(list(FAMILY)):
        depth = depths(str(workload), sorted(set(group["targets"])))
        group = group[group["targets"].isin(depth) & group["gain"].notna()]
        tiers = [own for _, own in group.groupby(group["scored_on"].map(TIERS), sort=True)]
        table = next(filter(_three_targets, map(_by_seed, tiers)), None)
        if table is None:
            continue
        x = [depth[t] for t in table.columns]
        rho, p_value = rank_correlation(x, table.mean())
        by_seed = estimate([rank_correlation(x, row)[0] for row in table.to_numpy()])
        rows.append(
            {
                **{"workload": workload, "training": training, "scale": group["scale"].iloc[0]},
                **{"targets": len(x)},
                **{"rho": rho, "p_value": p_value, "seed_rho": by_seed.mean},
                **{"low": by_seed.low, "high": by_seed.high, "n": by_seed.n},
            }
        )
    return pd.DataFrame(rows)


def _by_seed(scored: pd.DataFrame) -> pd.DataFrame:
    return scored.pivot_table(index="seed", columns="targets", values="gain")


def _three_targets(table: pd.DataFrame) -> bool:
    return table.shape[1] >= 3


def interactions(scored: pd.DataFrame) -> pd.DataFrame:
    """Which two targets help together, where both were attacked alone and together.

    ``synergy`` is gain(a+b) - gain(a) - gain(b) and ``over_best`` gain(a+b) - max of the two mean gains'
    targets, both paired by seed, with t intervals; ``p_holm`` tests the synergy, Holm-corrected. A pair that
    is the same training as one of its members is none.
    """
    found = []
    for family, group in scored.groupby(list(FAMILY)) if len(scored) else ():
        gains = _by_seed(group)
        spent_on, sample = group.groupby("targets")["spent"].max(), samples(group, ["targets"])
        for pair in gains.columns:
            parts = parse_targets(str(pair))
            if len(parts) == 2 and set(parts) <= set(gains.columns):
                a, b = parts
                if sample[pair] in (sample[a], sample[b]):
                    continue
                better = a if gains[a].mean() >= gains[b].mean() else b
                spent = spent_on[[pair, a, b]].max()
                synergy = estimate(gains[pair] - gains[a] - gains[b], spent)
                over = estimate(gains[pair] - gains[better], spent)
                if not synergy.n:
                    continue
                row = {"workload": family[1], "training": family[2], "scale": group["scale"].iloc[0]}
                row |= {"a": a, "b": b, "better": better}
                row |= {"n": synergy.n, "synergy": synergy.mean, "low": synergy.low, "high": synergy.high}
                row |= {"p_value": synergy.p, "over_best": over.mean}
                found.append(row | {"over_low": over.low, "over_high": over.high})
    table = pd.DataFrame(found)
    return table.assign(p_holm=holm(table["p_value"])) if len(table) else table


def across_workloads(ranked: pd.DataFrame, treatment: str) -> tuple[list[str], Friedman] | None:
    """Friedman's test of treatments that every workload has, on their mean gains over recipes and seeds.

    Args:
        ranked: What `rank_target_sets` gave; those without a rank are left out, and so is a treatment that is
            another's trainings in every workload.
        treatment: Column that names them.

    Returns:
        The treatments and the test, or None where fewer than 2 workloads share at least 3 treatments.
    """
    if ranked.empty:
        return None
    alike = ranked[ranked["rank"].notna()]
    table = alike.pivot_table(index="setting", columns=treatment, values="gain").dropna(axis=1)
    sample = alike.pivot(index="setting", columns=treatment, values="sample")[table.columns]
    table = table.loc[:, ~sample.T.duplicated().to_numpy()]
    workload = alike.groupby("setting")["workload"].first()
    table = table.groupby(workload[table.index].to_numpy()).mean()
    if len(table) < 2 or table.shape[1] < 3:
        return None
    return [str(name) for name in table.columns], friedman(table)
