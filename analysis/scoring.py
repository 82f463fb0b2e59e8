"""One unbiased score per family of configurations and seed, however many settings the family tried.

A family is whatever is compared: the configurations of one method, of one target set, of one K. The setting
that is best among many looks better on the runs that chose it than it is, so it is scored on others.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.pairing import adjusted, groups, summarise, with_gain
from analysis.records import Metric, Records, labels

FRESH, HELD_OUT, FIXED, SAME = "fresh seeds", "other seeds", "one setting", "the same seed"
FAMILY = ("setting", "workload", "training")
"""Columns that name what is comparable: one workload under one set of training settings."""


def scored_families(
    records: Records, trials: pd.DataFrame, metric: Metric, by: Sequence[str]
) -> pd.DataFrame:
    """Scores every family of configurations once per seed.

    In this order of preference it is scored on

    - *fresh seeds*, where a confirmation ran a setting of it (the one whose validation mean was best);
    - *other seeds*, where several settings were tried: each seed is scored by the setting that the mean
      validation value of the other seeds chooses;
    - *one setting*, where there is nothing to choose;
    - *the same seed*, where several settings share one seed only: flattering, and said so.

    Args:
        records: Where baselines come from.
        trials: Complete trials.
        metric: What the score is.
        by: Columns that name a family.

    Returns:
        One row per family and seed: `FAMILY` (a number, the workload, training settings for people), ``by``,
        the trial's other columns, ``score, baseline, gain``, ``scored_on`` and ``configuration`` (the
        choice, for people).
    """
    if trials.empty:
        return pd.DataFrame()
    trials = trials.assign(
        config=groups(trials, records.configuration),
        setting=groups(trials, ["workload", *records.training]),
        fresh=trials["stage"].isin(records.confirmations),
    )
    scored = with_gain(records, trials, metric)
    sign = records.selected.sign
    table = pd.concat(
        [_choose(family, sign) for _, family in scored.groupby(["setting", *by], dropna=False, sort=True)],
        ignore_index=True,
    )
    varied = [c for c in records.training if table[c].nunique(dropna=False) > 1]
    names = [c for c in records.configuration if c not in ("workload", *by, *records.training)]
    first = table.drop_duplicates("config").set_index("config")
    named = pd.DataFrame({"configuration": labels(first, names)}, index=first.index)
    named["training"] = labels(first, varied) if varied else ""
    return table.merge(named.reset_index(), on="config")


def _choose(trials: pd.DataFrame, sign: int) -> pd.DataFrame:
    """The trials of one family that score it, one per seed."""
    exploring, fresh = trials[~trials["fresh"]], trials[trials["fresh"]]
    means = (exploring if len(exploring) else fresh).groupby("config")["value"].mean() * sign
    if len(fresh):
        best = means.reindex(sorted(set(fresh["config"]))).fillna(-np.inf).idxmax()
        return _one_per_seed(fresh[fresh["config"] == best]).assign(scored_on=FRESH)
    if len(means) == 1:
        return _one_per_seed(exploring).assign(scored_on=FIXED)
    values = exploring.pivot_table(index="config", columns="seed", values="value") * sign
    count, total = values.notna().sum(axis=1), values.sum(axis=1)
    others = values.rsub(total, axis=0).div((count - 1).where(count > 1), axis=0)
    candidates = others.dropna(axis=1, how="all")
    if candidates.empty:
        return _one_per_seed(exploring[exploring["config"] == means.idxmax()]).assign(scored_on=SAME)
    choice = candidates.idxmax()
    picked = exploring[exploring["config"] == exploring["seed"].map(choice)]
    return _one_per_seed(picked).assign(scored_on=HELD_OUT)


def _one_per_seed(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.drop_duplicates(["config", "seed"])


def summarise_families(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Means, intervals and tests of families.

    Args:
        scored: What `scored_families` gave.
        by: The columns that name a family.

    Returns:
        One row per family: `FAMILY`, ``by``, the columns of `analysis.pairing.summarise`, ``p_holm`` and
        ``significant`` (Holm within one workload and training setting), ``scored_on``, ``configuration``
        (the most frequent choice), mean ``passes`` and ``seconds``.
    """
    columns = [*FAMILY, *by]
    table = adjusted(summarise(scored, columns), FAMILY)
    grouped = scored.groupby(columns, dropna=False)
    chosen = grouped[["scored_on", "configuration"]].agg(_most_frequent)
    cost = grouped[["passes", "seconds"]].mean()
    return table.merge(chosen.join(cost).reset_index(), on=columns)


def _most_frequent(column: pd.Series) -> str:
    return str(column.mode().iloc[0])
