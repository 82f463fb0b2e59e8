"""Which layers are worth attacking: target sets ranked by their gain over the seed-paired baseline."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.pairing import adjusted, groups, summarise, with_gain
from analysis.records import Metric, Records, labels
from analysis.statistics import estimate, rank_correlation, seeds_needed
from dropattack import INPUT, parse_targets
from trainables.workloads import workloads

FRESH, HELD_OUT, FIXED = "fresh seeds", "other seeds", "one setting"


def scored_target_sets(records: Records, metric: Metric) -> pd.DataFrame:
    """One unbiased gain per target set and seed, however many settings of ε, p and K were tried for it.

    A setting that is chosen by the very runs it is scored on looks better than it is. So a target set is
    scored, in this order of preference, on

    - *fresh seeds*, where a confirmation ran a setting of it (the one whose validation mean was best);
    - *other seeds*, where several settings were tried: each seed is scored by the setting that the mean
      validation value of the other seeds chooses;
    - *one setting*, where there is nothing to choose.

    Returns:
        One row per workload, training settings, target set and seed: ``workload, setting`` (number of the
        training settings), ``training`` (the same for people), ``targets, seed, score, gain, value,
        scored_on, configuration`` (the choice, for people) and ``passes``.
    """
    trials = records.complete()
    if "targets" not in trials:
        return pd.DataFrame()
    trials = trials[trials["targets"].notna() & (trials["method"] != "standard")]
    if trials.empty:
        return pd.DataFrame()
    trials = trials.assign(
        config=groups(trials, records.configuration),
        setting=groups(trials, ["workload", *records.training]),
        fresh=trials["stage"].isin(records.confirmations),
    )
    scored = with_gain(records, trials, metric)
    sign = records.selected.sign
    chosen = [_choose(group, sign) for _, group in scored.groupby(["setting", "targets"], sort=True)]
    table = pd.concat(chosen, ignore_index=True)
    varied = [c for c in records.training if table[c].nunique(dropna=False) > 1]
    names = [c for c in records.configuration if c not in ("workload", "targets", *records.training)]
    first = table.drop_duplicates("config").set_index("config")
    named = first.assign(configuration=labels(first, names), training=labels(first, varied) if varied else "")
    return table.merge(named[["configuration", "training"]].reset_index(), on="config")[
        [
            *("workload", "setting", "training", "targets", "seed", "score", "gain", "value"),
            *("scored_on", "configuration", "passes"),
        ]
    ]


def _choose(trials: pd.DataFrame, sign: int) -> pd.DataFrame:
    """The trials of one target set that score it, one per seed."""
    exploring = trials[~trials["fresh"]]
    fresh = trials[trials["fresh"]]
    means = (exploring if len(exploring) else fresh).groupby("config")["value"].mean() * sign
    if len(fresh):
        best = means.reindex(sorted(set(fresh["config"]))).fillna(-np.inf).idxmax()
        return _one_per_seed(fresh[fresh["config"] == best]).assign(scored_on=FRESH)
    if exploring["config"].nunique() == 1:
        return _one_per_seed(exploring).assign(scored_on=FIXED)
    values = exploring.pivot_table(index="config", columns="seed", values="value") * sign
    count, total = values.notna().sum(axis=1), values.sum(axis=1)
    others = values.rsub(total, axis=0).div((count - 1).where(count > 1), axis=0)
    candidates = others.dropna(axis=1, how="all")
    if candidates.empty:
        return _one_per_seed(exploring[exploring["config"] == means.idxmax()]).assign(
            scored_on="the same seed"
        )
    choice = candidates.idxmax()
    picked = exploring[exploring["config"] == exploring["seed"].map(choice)]
    return _one_per_seed(picked).assign(scored_on=HELD_OUT)


def _one_per_seed(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.drop_duplicates(["config", "seed"])


def rank_target_sets(scored: pd.DataFrame) -> pd.DataFrame:
    """Ranks target sets by mean gain within each workload and training setting.

    Args:
        scored: What `scored_target_sets` gave.

    Returns:
        One row per target set, best first: ``workload, training, targets, size, rank``, the columns of
        `summarise`, ``p_holm, significant`` (Holm within the workload), ``needed`` (seeds that would show
        a gain of this size with 80 % power), ``scored_on`` and ``configuration`` (the most frequent).
    """
    if scored.empty:
        return pd.DataFrame()
    family = ["setting", "workload", "training"]
    table = adjusted(summarise(scored, [*family, "targets"]), family)
    frequent = scored.groupby([*family, "targets"])[["scored_on", "configuration"]].agg(_most_frequent)
    table = table.merge(frequent.reset_index(), on=[*family, "targets"])
    table["needed"] = [seeds_needed(m, s) for m, s in zip(table["gain"], table["gain_sd"], strict=True)]
    table["size"] = [len(parse_targets(t)) for t in table["targets"]]
    table = table.sort_values(["setting", "gain", "mean"], ascending=[True, False, False], kind="stable")
    table["rank"] = table.groupby("setting").cumcount() + 1
    return table.reset_index(drop=True)


def _most_frequent(column: pd.Series) -> str:
    return str(column.mode().iloc[0])


def depths(workload: str, targets: Sequence[str]) -> dict[str, int]:
    """Depth of single targets: 0 for the input, then 1, 2, … per layer in the order of the forward pass.

    Weights and biases of one layer share a depth. For a workload that is not registered here the order is
    that of the names.
    """
    known = workloads()[workload].target_names() if workload in workloads() else []
    ordered = [*known, *sorted(set(targets) - set(known), key=lambda t: (t != INPUT, t))]
    layers = list(dict.fromkeys(_layer(t) for t in ordered if t != INPUT))
    return {t: 0 if t == INPUT else layers.index(_layer(t)) + 1 for t in targets}


def _layer(target: str) -> str:
    return target.partition(".")[0]


def depth_and_gain(scored: pd.DataFrame) -> pd.DataFrame:
    """Whether attacking nearer to the input helps more (the claim of the paper's appendix A).

    For every workload: Spearman's rho between depth and gain of single targets. ``rho, p_value`` are those
    of mean gains; ``seed_rho, low, high, n`` the mean over seeds of each seed's own rho and its t interval,
    which noise draws towards 0. The claim is a negative rho.
    """
    rows = []
    singles = scored[~scored["targets"].str.contains("+", regex=False)] if len(scored) else scored
    if singles.empty:
        return pd.DataFrame()
    for (_, workload, training), group in singles.groupby(["setting", "workload", "training"]):
        table = group.pivot_table(index="seed", columns="targets", values="gain")
        depth = depths(str(workload), list(table.columns))
        x = [depth[t] for t in table.columns]
        rho, p_value = rank_correlation(x, table.mean())
        by_seed = estimate([rank_correlation(x, row)[0] for row in table.to_numpy()])
        rows.append(
            {
                **{"workload": workload, "training": training, "targets": len(x)},
                **{"rho": rho, "p_value": p_value, "seed_rho": by_seed.mean},
                **{"low": by_seed.low, "high": by_seed.high, "n": by_seed.n},
            }
        )
    return pd.DataFrame(rows)
