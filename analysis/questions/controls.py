"""Does the method work, compared with other methods and with what could explain its gain away?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.pairing import groups, holm_once, samples
from analysis.records import CONFIGURATION, CONTROL, Metric, Records
from analysis.scoring import FAMILY, best_first, places, scored_families, summarise_families
from analysis.statistics import ALPHA, estimate
from dropattack.methods.dropattack_settings import P_ONE, P_ONE_NORM, RANDOM_DIRECTION
from dropattack.settings import EPS_ZERO, EQUAL_PASSES, SAME_UPDATES

MEANING = {
    EPS_ZERO: "all passes, no perturbation (ε = 0)",
    P_ONE: "no mask (p = 1) at the same mean rise of the loss (ε′ = pε)",
    P_ONE_NORM: "no mask (p = 1) at the same norm (ε′ = √p·ε)",
    RANDOM_DIRECTION: "the same size in a random direction",
    EQUAL_PASSES: "plain training with as many passes, in more updates",
    SAME_UPDATES: "plain training with as many passes, in as many updates",
}
PLAIN = (EQUAL_PASSES, SAME_UPDATES)
"""Controls that are standard training, whatever method they stand beside."""


def scored_methods(records: Records, metric: Metric) -> pd.DataFrame:
    """What `scored_families` gives for methods and controls, named in the columns ``family`` and ``control``.

    ``over`` is, for a control, what the method with the very same settings and seed has more, and ``against``
    is that method's configuration. A control that is the method itself, as p-one at p = 1, is compared with
    nothing, and is no setting of a control that has others. ``chosen`` marks the method that validation
    chooses among those of one workload and training setting.
    """
    trials = records.complete(controls=True)
    if trials.empty:
        return pd.DataFrame()
    control = trials[CONTROL]
    family = np.where(control == "", trials["method"], trials["method"] + ", " + control)
    family = np.where(control.isin(PLAIN), control, family)
    named = groups(trials, ["method", CONFIGURATION])
    trials = trials.assign(family=family, itself=(control != "") & named.isin(named[control == ""]))
    trials = _with_twins(records, trials, metric).assign(control=control, chosen=_chosen(records, trials))
    alone = trials["itself"].groupby(groups(trials, ["workload", *records.training, "family"]))
    trials = trials[~trials["itself"] | alone.transform("all")]
    return scored_families(records, trials, metric, ["family", "control"])


def _chosen(records: Records, trials: pd.DataFrame) -> pd.Series:
    """Whether each trial is of the method whose configuration `Choice` puts first among attacks."""
    attack = (trials[CONTROL] == "") & ~records.plain(trials)
    settings = groups(trials, ["workload", *records.training])
    place = places(records, trials[attack], trials.loc[attack, CONFIGURATION]).reindex(trials.index)
    first = place == place.groupby(settings).transform("min")
    return first.groupby([settings, trials["family"]]).transform("any") & attack


def _with_twins(records: Records, trials: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Adds ``over`` and ``against``; see `scored_methods`.

    They are missing where one control stands beside several settings of the method, as ε = 0 beside every ε:
    none of these is the very same.
    """
    control = trials[CONTROL] != ""
    attack = ~control & ~records.plain(trials)
    twins = groups(trials, [*(c for c in records.spelling if c != "control"), "seed"])
    result = metric.sign * trials[records.values(metric)].astype(float)
    method = result[attack].groupby(twins[attack]).mean()
    against = twins.map(trials.loc[attack, CONFIGURATION].groupby(twins[attack]).first())
    names = groups(trials, ["family", CONFIGURATION])
    one = against.groupby(names).transform("nunique") == 1
    known = control & ~trials["itself"] & one
    over = (twins.map(method) - result).where(known)
    # Of several names of a control any may stand for it, and only one has a twin.
    seeds = groups(trials, ["family", CONFIGURATION, "seed"])
    return trials.assign(
        over=over.groupby(seeds).transform("mean"),
        against=against.where(known).groupby(names).transform("first"),
    )


def compare_methods(scored: pd.DataFrame) -> pd.DataFrame:
    """Every method and control: its gain over the baseline, and what the method gains over its control.

    Args:
        scored: What `scored_methods` gave.

    Returns:
        The columns of `summarise_families` by ``family`` and ``control``, in the order of `best_first`; for
        controls ``over`` (the mean of method - control, paired by seed), ``over_low, over_high, over_n``,
        ``over_sd``, ``over_values`` (by seed), ``over_p`` (Holm), and ``alike``: whether the method ran with
        the very settings of the control. Where it did not, the method it controls is compared as it was
        scored, and for controls that are standard training the method that validation chooses.
    """
    if scored.empty:
        return pd.DataFrame()
    table = best_first(summarise_families(scored, ["family", "control"])).reset_index(drop=True)
    rows = table[["setting", "family", "control"]].itertuples(index=False)
    by_setting = dict(tuple(scored.groupby("setting")))
    found = [_over(by_setting[setting], family, control) for setting, family, control in rows]
    estimates = [estimate(each.differences, each.spent) for each in found]
    over = pd.DataFrame(
        [(e.mean, e.low, e.high, e.n, e.sd, e.p) for e in estimates],
        columns=["over", "over_low", "over_high", "over_n", "over_sd", "over_p"],
    )
    over["over_p"] = holm_once(
        over["over_p"], pd.Series([each.pair for each in found], index=table.index), table["setting"]
    )
    over["over_values"] = [tuple(each.differences) for each in found]
    return pd.concat([table, over], axis=1).assign(alike=[each.alike for each in found])


class _Over(NamedTuple):
    """A method's gain over a control by seed, the trainings behind it, and how they match.

    Attributes:
        differences: By seed.
        spent: Degrees of freedom that were spent on choosing.
        pair: The trainings of both.
        alike: Whether both have the very same settings.
    """

    differences: Sequence[float] = ()
    spent: float = 0.0
    pair: str = ""
    alike: bool = False


def _over(within: pd.DataFrame, family: str, control: str) -> _Over:
    """A method's gain over a control.

    Args:
        within: Scores under one workload and training setting.
        family: The control's.
        control: Which control it is; a method itself is compared with nothing.
    """
    own = within[within["family"] == family]
    differences = own.groupby("seed")["over"].mean().dropna()
    if len(differences):
        return _Over(tuple(differences), 0.0, _pair(own[CONFIGURATION], own["against"]), alike=True)
    if not control or own["itself"].any() or own["is_baseline"].all():
        return _Over()
    controlled = _best_method(within) if control in PLAIN else family.partition(", ")[0]
    method = within[within["family"] == controlled]
    results = (each.groupby("seed")["merit"].mean() for each in (method, own))
    found = next(results).sub(next(results)).dropna()
    pair = _pair(own[CONFIGURATION], method[CONFIGURATION])
    return _Over(tuple(found), _spent(within, controlled, family), pair) if len(found) else _Over()


def _pair(control: pd.Series, method: pd.Series) -> str:
    return " ".join([*sorted(set(control)), "beside", *sorted(set(method.dropna()))])


def _best_method(within: pd.DataFrame) -> str:
    """The method that validation chooses."""
    return next(iter(within.loc[within["chosen"], "family"]), "")


def _spent(scored: pd.DataFrame, *families: str) -> float:
    return float(scored.loc[scored["family"].isin(families), "spent"].max())


def generalisation_gap(scored: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Train minus test result of every family, and its change against the baseline of the same seed.

    Args:
        scored: What `scored_methods` gave.
        metric: A test metric, whose ``train_`` twin was recorded.

    Returns:
        ``workload, training, family, n, gap, low, high`` and ``change, change_low, change_high, p_holm``;
        a smaller gap may also come from a worse training result, so ``train`` and ``test`` stand beside it.
    """
    train = metric.column.replace("test_", "train_", 1)
    if scored.empty or train == metric.column or train not in scored or scored[train].isna().all():
        return pd.DataFrame()
    scored = scored.assign(gap=metric.sign * (scored[train] - scored["score"]))
    found = []
    for family, group in scored.groupby(list(FAMILY), sort=True):
        gaps = group.pivot_table(index="seed", columns="family", values="gap")
        sample, plain = samples(group, ["family"]), group.groupby("family")["is_baseline"].all()
        names = [str(name) for name in gaps]
        beside = [name for name in names if plain[name]]
        baseline = gaps[beside].mean(axis=1)
        for name in names:
            own = estimate(gaps[name], _spent(group, name))
            change = estimate([] if plain[name] else gaps[name] - baseline, _spent(group, name, *beside))
            means = group.loc[group["family"] == name, [train, "score"]].mean()
            row = {"workload": family[1], "training": family[2], "family": name, "n": own.n, "gap": own.mean}
            row |= {"low": own.low, "high": own.high, "train": means[train], "test": means["score"]}
            row |= {"change": change.mean, "change_low": change.low, "change_high": change.high}
            found.append(row | {"p_value": change.p, "sample": f"{family[0]}: {sample[name]}"})
    table = pd.DataFrame(found)
    p_holm = holm_once(table["p_value"], table["sample"], pd.Series(0, index=table.index))
    return table.assign(p_holm=p_holm, significant=p_holm < ALPHA)
