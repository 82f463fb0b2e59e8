"""One unbiased score per family of configurations and seed, however many settings the family tried.

A family is a compared group: the configurations of one method, of one target set, of one K. The best setting
of many looks better than it is on the runs that chose it, so it is scored on other runs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.choice import Choice
from analysis.keeping import beyond, margins_of
from analysis.pairing import adjusted, groups, summarise, with_gain
from analysis.recipes import recipes
from analysis.records import CONFIGURATION, COUNTED, PRUNED, Metric, Records, asked_sizes, labels

FRESH, HELD_OUT, FIXED, SAME = "fresh seeds", "other seeds", "one setting", "the same seeds"
TIERS = {FRESH: 0, HELD_OUT: 1, FIXED: 1, SAME: 2}
"""How trustworthy each kind of score is, the best first; only scores of one tier can be ranked."""

FLATTERED = TIERS[SAME]
"""The tier of scores that were chosen by the very runs they come from; they have no interval and no test."""

FAMILY = ("setting", "workload", "training")
"""Columns that name comparable trials: one workload under one set of training settings."""


def scored_families(
    records: Records, trials: pd.DataFrame, metric: Metric, by: Sequence[str], *, pooled: bool = False
) -> pd.DataFrame:
    """Scores every family of configurations once per seed.

    In this order of preference it is scored on

    - *fresh seeds*, where a confirmation ran a setting of it (the one that `Choice` puts first);
    - *other seeds*, where several settings were tried: each seed is scored by the setting that the mean
      validation value of the other seeds chooses;
    - *one setting*, where there is nothing to choose;
    - *the same seeds*, where several settings share one seed only, or where the trials come from a stage
      that pruned others, so that being there at all is a choice: flattering, and said so. A race over seeds
      is of this kind: a setting has its later seeds because its first ones were good.

    A configuration counts once, however many names it has in a family; the baseline is no setting of a
    family that has others. Where a sweep has constraints, a family is scored by settings that keep to them,
    if any does.

    Choices on other seeds overlap, which makes the scores of one family depend on each other a little: a
    plain t test at 5 seeds then claims effects in up to 7 % of worlds without any (by simulation), one with
    a degree of freedom less, as ``spent`` asks for, in at most 5 %.

    Args:
        records: Where baselines come from.
        trials: Complete trials.
        metric: The metric of the score.
        by: Columns that name a family.
        pooled: Whether trials that differ in settings that a search drew, such as a learning rate, are in one
            family. Scores are then comparable and gains are not: those are left out.

    Returns:
        One row per family and seed: `FAMILY` (a number, the workload, training settings for people), ``by``,
        the trial's other columns, those of `with_gain`, ``merit`` (the score, larger is better),
        ``scored_on``, ``spent`` (degrees of freedom; all of them where the score is flattered) and
        ``configuration`` (the choice, for people).
    """
    if trials.empty:
        return pd.DataFrame()
    shared = records.settled if pooled else records.training
    trials = _beside_both(records, trials.assign(row=trials.index))
    trials = trials.assign(
        setting=groups(trials, ["workload", *shared]),
        fresh=trials["stage"].isin(records.confirmations),
        survivor=_survivors(records, trials),
        raced=trials["stage"].isin(records.races),
    )
    attack = ~records.plain(trials)
    trials = trials[attack | ~attack.groupby(groups(trials, ["setting", *by])).transform("any")]
    trials = trials.assign(config=groups(trials, ["setting", *by, CONFIGURATION]))
    trials = _keeping(records, trials, groups(trials, ["setting", *by]))
    trials = trials.assign(place=places(records, trials, trials["config"]))
    trials = trials.sort_values("survivor", kind="stable").drop_duplicates(["config", "seed", "fresh"])
    trials = with_gain(records, trials.reset_index(drop=True), metric)
    table = _chosen(trials, groups(trials, ["setting", *by]), records.selected.sign)
    if pooled and records.drawn:
        own = groups(table, records.drawn).groupby(table["setting"])
        table["gain"] = table["gain"].where(own.transform("nunique") == 1)
    names = [c for c in records.spelling if c not in ("workload", *by, *shared)]
    first = table.drop_duplicates("config").set_index("config")
    named = pd.DataFrame({"configuration": labels(first, names)}, index=first.index)
    named["training"] = recipes(records, first, records.drawn if pooled else ())
    table["merit"] = metric.sign * table["score"]
    return table.merge(named.reset_index(), on="config").sort_values(
        [*FAMILY, *by, "seed"], ignore_index=True
    )


def _beside_both(records: Records, trials: pd.DataFrame) -> pd.DataFrame:
    """The trials, with plain training both beside what counts passes and beside what counts epochs."""
    if COUNTED not in trials:
        return trials
    plain = trials[records.plain(trials)]
    others = plain.assign(**{COUNTED: plain[COUNTED].map({"passes": "epochs", "epochs": "passes"})})
    return pd.concat([trials, others], ignore_index=True)


def _keeping(records: Records, trials: pd.DataFrame, family: pd.Series) -> pd.DataFrame:
    """The trials of those configurations of each family that are least beyond the constraints."""
    if not records.rule.constraints:
        return trials
    short = trials[CONFIGURATION].map(beyond(records))
    return trials[short == short.groupby(family).transform("min")]


def places(records: Records, trials: pd.DataFrame, config: pd.Series) -> pd.Series:
    """Place of each trial's configuration in the order of `analysis.choice.Choice`, the best 0.

    Args:
        records: Says which stages confirm and which way the selected metric points.
        trials: Complete trials.
        config: Names the configuration of each.
    """
    choice = Choice()
    merit = records.selected.sign * trials["value"]
    margins = margins_of(records, trials)
    fresh = trials["stage"].isin(records.confirmations)
    raced = trials["stage"].isin(records.races)
    race = (trials["stage"] + "/" + trials["workload"]).where(raced)
    for name, seed, key, value, kept, again, own, size in zip(
        config, trials["seed"], trials["key"], merit, margins, fresh, race, asked_sizes(trials), strict=True
    ):
        of_race = None if pd.isna(own) else own
        choice.add(name, seed, key, value, kept, fresh=bool(again), race=of_race, examples=size)
    order = {name: place for place, name in enumerate(choice.order())}
    return config.map(order)


def _survivors(records: Records, trials: pd.DataFrame) -> pd.Series:
    """Whether each trial comes from a stage that stopped others: a worse trial would be missing."""
    pruned = records.trials[records.trials["state"] == PRUNED]
    stages = pd.MultiIndex.from_frame(pruned[["stage", "workload"]])
    stopped = pd.MultiIndex.from_frame(trials[["stage", "workload"]]).isin(stages)
    return pd.Series(stopped, trials.index) | trials["stage"].isin(records.races)


def _chosen(trials: pd.DataFrame, family: pd.Series, sign: int) -> pd.DataFrame:
    """The trials that score their family, one per seed, with ``scored_on`` and ``spent``."""
    config, fresh = trials["config"], trials["fresh"]
    explored = (sign * trials["value"]).where(~fresh)
    by_config = explored.groupby(config)
    count, total = (by_config.transform(name) for name in ("count", "sum"))
    others = ((total - explored) / (count - 1)).where(count > 1)
    confirmed = fresh.groupby(family).transform("any")
    several = config.groupby(family).transform("nunique") > 1
    raced = trials["raced"].groupby(family).transform("any")
    held_out = ~confirmed & several & ~raced & others.notna().groupby(family).transform("any")
    same = ~confirmed & several & ~held_out
    first = trials["place"] == trials["place"].groupby([family, fresh]).transform("min")
    kinds = {
        FRESH: fresh & first,
        HELD_OUT: held_out
        & (config == _best(others, config, groups(trials.assign(family=family), ["family", "seed"]))),
        SAME: same & first,
        FIXED: ~confirmed & ~several,
    }
    table = pd.concat([trials[mask].assign(scored_on=kind) for kind, mask in kinds.items()])
    table = table.drop(columns=["place", "raced"])
    survived = table.pop("survivor").groupby(family[table.index]).transform("any")
    table["scored_on"] = table["scored_on"].mask(survived, SAME)
    spent = table["scored_on"].map({HELD_OUT: 1.0, SAME: np.inf}).fillna(0.0)
    return table.assign(spent=spent).reset_index(drop=True)


def _best(merit: pd.Series, config: pd.Series, group: pd.Series) -> pd.Series:
    """For every row the configuration of largest merit within its group; missing where none has any."""
    present = merit.dropna()
    winners = config[present.groupby(group[present.index]).idxmax()]
    return group.map(pd.Series(winners.to_numpy(), index=group[winners.index].to_numpy()))


def summarise_families(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Means, intervals and tests of families.

    Args:
        scored: What `scored_families` gave.
        by: The columns that name a family.

    Returns:
        One row per family: `FAMILY`, ``by``, the columns of `analysis.pairing.summarise`, ``p_holm`` and
        ``significant`` (Holm within one workload and training setting), ``scored_on`` and its tier of
        `TIERS`, ``configuration`` (the most frequent choice), mean ``passes``, ``seconds`` and ``merit`` (the
        score where more is better, its negative where less is).
    """
    columns = [*FAMILY, *by]
    table = adjusted(summarise(scored, columns), FAMILY)
    grouped = scored.groupby(columns, dropna=False)
    chosen = grouped[["scored_on", "configuration"]].agg(_most_frequent)
    means = grouped[["passes", "seconds", "merit"]].mean()
    chosen["tier"] = chosen["scored_on"].map(TIERS)
    return table.merge(chosen.join(means).reset_index(), on=columns)


def best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Families of each workload and training setting by gain, or by score where there is none.

    Families that are scored alike come together, the most trustworthy first: a flattered score above a
    confirmed one says nothing. If some have a gain, those without one come last.

    Args:
        table: What `summarise_families` gave.
    """
    order = table.assign(unpaired=table["gain"].isna()).sort_values(
        ["setting", "unpaired", "tier", "gain", "merit"],
        ascending=[True, True, True, False, False],
        kind="stable",
    )
    return order.drop(columns=["unpaired", "merit"])


def _most_frequent(column: pd.Series) -> str:
    return str(column.mode().iloc[0])
