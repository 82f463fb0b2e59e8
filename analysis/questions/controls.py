"""Does the method work: beside other methods, and beside what would explain its gain away."""

import numpy as np
import pandas as pd

from analysis.pairing import groups
from analysis.records import BASELINE, EPS_ZERO, EQUAL_PASSES, Metric, Records, control_names
from analysis.scoring import FAMILY, TIERS, best_first, scored_families, summarise_families
from analysis.statistics import ALPHA, estimate, holm

P_ONE, RANDOM = "p-one", "random-direction"
MEANING = {
    EPS_ZERO: "all passes, no perturbation (ε = 0)",
    P_ONE: "no mask (p = 1) at the same mean size (ε′ = pε)",
    RANDOM: "the same size in a random direction",
    EQUAL_PASSES: "plain training with as many passes",
}


def scored_methods(records: Records, metric: Metric) -> pd.DataFrame:
    """What `scored_families` gives for methods and controls, named in the column ``family``.

    ``over`` is, for a control, what the method with the very same settings and seed has more.
    """
    trials = records.complete(controls=True)
    if trials.empty:
        return pd.DataFrame()
    control = control_names(trials)
    family = np.where(control == "", trials["method"], trials["method"] + ", " + control)
    family = np.where(control == EQUAL_PASSES, EQUAL_PASSES, family)
    twins = groups(trials, [*(c for c in records.configuration if c != "control"), "seed"])
    trials = trials.assign(family=family, control=control, twins=twins)
    result = metric.sign * trials[records.values(metric)].astype(float)
    method = result[control == ""].groupby(twins[control == ""]).mean()
    trials = trials.assign(over=(twins.map(method) - result).where(control != ""))
    return scored_families(records, trials, metric, ["family", "control"])


def compare_methods(scored: pd.DataFrame) -> pd.DataFrame:
    """Every method and control: its gain over the baseline, and what the method gains over its control.

    Args:
        scored: What `scored_methods` gave.

    Returns:
        The columns of `summarise_families` by ``family`` and ``control``, in the order of `best_first`; for
        controls ``over`` (the mean of method - control, paired by seed), ``over_low, over_high, over_n``,
        ``over_p`` (Holm), and ``alike``: whether the method ran with the very settings of the control. Where
        it did not, the method it controls is compared as it was scored, and for ``equal-passes`` the best
        method.
    """
    if scored.empty:
        return pd.DataFrame()
    table = best_first(summarise_families(scored, ["family", "control"]))
    differences = [
        _over(scored, row) for row in table[[*FAMILY, "family", "control"]].itertuples(index=False)
    ]
    added = pd.DataFrame(differences, columns=["over", "over_low", "over_high", "over_n", "over_p", "alike"])
    table = pd.concat([table.reset_index(drop=True), added], axis=1)
    return table.assign(over_p=table["over_p"].groupby(table["setting"]).transform(holm))


def _over(scored: pd.DataFrame, row: "tuple[object, ...]") -> tuple[object, ...]:
    setting, _, _, family, control = row
    within = scored[scored["setting"] == setting]
    differences = within.loc[within["family"] == family].groupby("seed")["over"].mean().dropna()
    spent, alike = 0.0, len(differences) > 0
    if not alike:
        own = within.pivot_table(index="seed", columns="family", values="gain")
        controlled = str(family).partition(", ")[0]
        if control == EQUAL_PASSES:
            controlled = _best_method(within)
        if not control or controlled not in own or family not in own:
            return (*(np.nan,) * 5, False)
        differences, spent = own[controlled] - own[str(family)], _spent(within, controlled, str(family))
    result = estimate(differences, spent)
    return result.mean, result.low, result.high, result.n, result.p, alike


def _best_method(within: pd.DataFrame) -> str:
    """The method of largest mean gain among those that are scored best."""
    methods = within[(within["control"] == "") & within["gain"].notna()]
    tier = methods["scored_on"].map(TIERS)
    gains = methods[tier == tier.min()].groupby("family")["gain"].mean()
    return str(gains.idxmax()) if len(gains) else ""


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
        for name in gaps.columns:
            own = estimate(gaps[name], _spent(group, name))
            compared = name != BASELINE and BASELINE in gaps
            change = estimate(gaps[name] - gaps[BASELINE] if compared else [], _spent(group, name, BASELINE))
            means = group.loc[group["family"] == name, [train, "score"]].mean()
            row = {"workload": family[1], "training": family[2], "family": name, "n": own.n, "gap": own.mean}
            row |= {"low": own.low, "high": own.high, "train": means[train], "test": means["score"]}
            row |= {"change": change.mean, "change_low": change.low, "change_high": change.high}
            found.append(row | {"p_value": change.p})
    table = pd.DataFrame(found)
    return table.assign(p_holm=holm(table["p_value"]), significant=holm(table["p_value"]) < ALPHA)
