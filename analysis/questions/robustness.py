"""Accuracy under attack: of each method at each ε, what it costs, and whether to believe it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.pairing import adjusted, summarise
from analysis.records import BASELINE, CONFIGURATION, Metric, Records, labels
from analysis.scoring import FAMILY, scored_families
from analysis.statistics import t_half_width
from dropattack.robustness import PARTS, ZERO_GRADIENT, Case, masking_checks

CLEAN = Metric("test_accuracy")
_FAMILY = ["method", "variant"]
BY = [*FAMILY, *_FAMILY]
_SPLIT = "test_"
_FEW = 6


def cases(records: Records) -> dict[str, Case]:
    """The attacks whose results the records hold beside clean accuracy, by column of `Records.trials`."""
    trials = records.complete()
    if CLEAN.column not in trials:
        return {}
    columns = [c for c in map(str, trials) if c.startswith(_SPLIT) and trials[c].notna().any()]
    found = {c: case for c in columns if (case := Case.of_metric(c)) is not None}
    return dict(sorted(found.items(), key=lambda item: (item[1].transfer, item[1].name, item[1].epsilon)))


def _tested(records: Records) -> pd.DataFrame:
    """Complete trials that were attacked, with the ``variant`` of their method.

    Where few settings of a method were tried, each is a variant of its own, named by what differs; where many
    were, they are one, "", of which the best is looked for.
    """
    trials = records.complete()
    trials = trials[trials[list(cases(records))].notna().any(axis=1) & trials[CLEAN.column].notna()]
    variants = pd.Series("", index=trials.index)
    for _, own in trials.groupby(["workload", "method"]):
        first = own.drop_duplicates(CONFIGURATION)
        varied = [c for c in records.hyperparameters if first[c].nunique(dropna=False) > 1]
        names = labels(first, varied) if varied else []
        if 1 < len(set(names)) <= _FEW:
            named = dict(zip(first[CONFIGURATION], names, strict=True))
            variants.loc[own.index] = own[CONFIGURATION].map(named)
    return trials.assign(variant=variants)


def under_attack(records: Records) -> pd.DataFrame:
    """Accuracy of every method under every attack that it was tested with.

    Where a method was tried with several settings, each seed is scored as `scored_families` does, so that no
    setting is scored by the runs that chose it.

    Returns:
        One row per family and case: `BY`, ``attack, transfer, epsilon``, the columns of
        `analysis.pairing.summarise` with Holm's ``p_holm`` and ``significant`` over the methods of one
        setting and case, and the two readings of "accuracy descent": ``descent``, clean minus attacked
        accuracy, and ``relative_descent``, that divided by the clean accuracy, each with its interval in
        ``_low`` and ``_high``. Clean accuracy is there as the attack ``clean`` at ε 0.
    """
    trials, tested = _tested(records), cases(records)
    if not tested:
        return pd.DataFrame()
    found = [_summary(records, trials, CLEAN.column).assign(attack="clean", transfer=False, epsilon=0.0)]
    for column, case in tested.items():
        summary = _summary(records, trials[trials[column].notna()], column)
        found.append(summary.assign(attack=case.name, transfer=case.transfer, epsilon=case.epsilon))
    table = pd.concat(found, ignore_index=True)
    return adjusted(table, ["setting", "attack", "epsilon"])


def _summary(records: Records, trials: pd.DataFrame, column: str) -> pd.DataFrame:
    scored = scored_families(records, trials, Metric(column), _FAMILY)
    descent = scored[CLEAN.column] - scored["score"]
    relative = descent / scored[CLEAN.column].where(scored[CLEAN.column] > 0)
    table = summarise(scored, BY)
    for name, values in (("descent", descent), ("relative_descent", relative)):
        grouped = scored.assign(**{name: values}).groupby(BY, dropna=False)
        spread = grouped[name].agg(n="count", mean="mean", sd="std").reset_index(drop=True)
        half = t_half_width(spread["n"], spread["sd"], grouped["spent"].max().to_numpy(), spread["mean"])
        least = -1.0 if name == "descent" else -np.inf
        table[name], table[f"{name}_low"] = spread["mean"], (spread["mean"] - half).clip(lower=least)
        table[f"{name}_high"] = (spread["mean"] + half).clip(upper=1.0)
    return table


def costs(records: Records) -> pd.DataFrame:
    """What a training step of each method costs.

    Returns:
        One row per family: `BY`, ``passes`` per step, ``milliseconds`` per step (the median over trials of
        the last epoch's mean; missing where it was not measured), and ``times``: in units of the baseline of
        the same workload, under its cheapest setting.
    """
    scored = scored_families(records, _tested(records), CLEAN, _FAMILY)
    seconds = scored.get("train_seconds", np.nan) / scored.get("train_steps", np.nan)
    timed = scored.assign(milliseconds=1000 * seconds)
    table = timed.groupby(BY, dropna=False)[["passes", "milliseconds"]].median().reset_index()
    plain = table[table["method"] == BASELINE].groupby("workload")["milliseconds"].min()
    return table.assign(times=table["milliseconds"] / table["workload"].map(plain))


def checks(records: Records) -> pd.DataFrame:
    """Signs of masked gradients, from the means over seeds.

    Returns:
        One row per family and check of `masking_checks`: `BY`, ``check`` and ``finding``: what speaks against
        the model, "" for nothing, missing where the figures for the check are.
    """
    trials = _tested(records)
    tested = cases(records)
    parts = [f"{_SPLIT}{case.left_by(name)}" for case in tested.values() for name in PARTS]
    wanted = (CLEAN.column, f"{_SPLIT}{ZERO_GRADIENT}", *tested, *parts)
    columns = [c for c in wanted if c in trials]
    scored = scored_families(records, trials, CLEAN, _FAMILY)
    means = scored.groupby(BY, dropna=False)[columns].mean().reset_index()
    rows = [
        {**{name: row[name] for name in BY}, "check": check.name, "finding": check.finding}
        for row in means.to_dict("records")
        for check in masking_checks(_measured({c: row[c] for c in columns}))
    ]
    return pd.DataFrame(rows)


def strongest_first(group: pd.DataFrame) -> list[str]:
    """Names of the attacks among rows of `under_attack`: AutoAttack, white-box, most steps, most ε first.

    Attacks by transfer are left out, unless there is no other.
    """
    own = group[(group["attack"] != "clean") & ~group["transfer"]]
    sizes = own.groupby("attack")["epsilon"].nunique()
    known = {name: Case.parse(str(name), 1.0).attack for name in sizes.index}

    def order(name: str) -> tuple[bool, bool, int, int, str]:
        attack = known[name]
        return (not attack.in_turn, not attack.sees_gradients, -attack.passes, -int(sizes[name]), name)

    return sorted(known, key=order) or sorted(set(group["attack"]) - {"clean"})


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Adds ``label``: method, variant and training setting, as far as they are told."""
    parts = zip(table["method"], table["variant"], table["training"], strict=True)
    names = [" · ".join(filter(None, part)) for part in parts]
    return table.assign(label=pd.Series(names, index=table.index, dtype=object))


def _measured(values: Mapping[str, float]) -> dict[str, float]:
    """A family's metrics without their split, those that are there."""
    return {name.removeprefix(_SPLIT): value for name, value in values.items() if value == value}
