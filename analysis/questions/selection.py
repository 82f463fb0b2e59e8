"""The best configurations, chosen on validation, and how far the choice flatters itself."""

from dataclasses import replace

import pandas as pd

from analysis.alike import common, without_numbers
from analysis.pairing import summarise, with_gain
from analysis.records import (
    BASELINE,
    COMPLETE,
    CONFIGURATION,
    CONTROL,
    FAILED,
    PRUNED,
    Records,
    asked_sizes,
    labels,
    one_per_training,
)
from analysis.scoring import HELD_OUT, places, scored_families
from analysis.statistics import estimate


def configurations(records: Records) -> pd.DataFrame:
    """Every configuration with its validation mean and its test result, in the order of `Choice`.

    Returns:
        One row per configuration and kind of seeds, the best first and fresh seeds before searched ones: the
        columns of `Records.spelling` (of its first name, the baseline's being ``standard``), ``fresh``
        (whether a confirmation ran it), ``valid`` (mean validation value), ``passes``, ``run_id`` (of one
        trial), and the columns of `summarise` for the test metric.
    """
    trials = records.complete()
    if trials.empty:
        return pd.DataFrame()
    trials = trials.assign(fresh=trials["stage"].isin(records.confirmations))
    by = [CONFIGURATION, "fresh"]
    seeds = trials.drop_duplicates([*by, "seed"])
    table = summarise(with_gain(records, seeds, records.reported), by)
    grouped = seeds.groupby(by)
    named = grouped[["passes", "run_id"]].first().assign(valid=grouped["value"].mean())
    first = trials.drop_duplicates(CONFIGURATION)[[CONFIGURATION, *records.spelling]]
    table = table.merge(named.reset_index(), on=by).merge(first, on=CONFIGURATION)
    place = places(records, trials, trials[CONFIGURATION]).groupby(trials[CONFIGURATION]).first()
    order = table.assign(place=table[CONFIGURATION].map(place), searched=~table["fresh"])
    order = order.sort_values(["place", "searched"], kind="stable").drop(columns=["place", "searched"])
    return order.reset_index(drop=True)


def best_of_methods(records: Records) -> pd.DataFrame:
    """The complete trials of each method's best configuration, per workload.

    Returns:
        Their rows with ``place`` (of the configuration in the order of `Choice`, the best 0); the baseline is
        the best of no other method.
    """
    trials = records.complete()
    trials = trials[(trials["method"] == BASELINE) | ~records.plain(trials)]
    trials = trials.assign(place=places(records, trials, trials[CONFIGURATION]))
    best = trials.groupby(["workload", "method"])["place"].transform("min")
    return trials[trials["place"] == best]


def failures(records: Records) -> pd.DataFrame:
    """Failures by reason: ``reason, n``, and of one of them ``workload, example`` (key) and ``run_id``.

    Reasons that differ only in numbers count as one.
    """
    trials = records.trials
    failed = trials[trials["state"] == FAILED]
    lost = trials[(trials["state"] == COMPLETE) & trials["value"].isna()]
    failed = pd.concat(
        [failed, lost.assign(reason="finished, but the selected metric is not a finite number")]
    )
    if failed.empty:
        return pd.DataFrame()
    failed = failed.drop_duplicates("key")
    failed = failed.assign(reason=failed["reason"].where(failed["reason"] != "", "no reason recorded"))
    table = failed.groupby(failed["reason"].map(without_numbers).rename("alike")).agg(
        reason=("reason", lambda reasons: common(list(reasons))),
        n=("key", "count"),
        workload=("workload", "first"),
        example=("key", "first"),
        run_id=("run_id", "first"),
    )
    return table.sort_values(["n", "reason"], ascending=[False, True]).reset_index(drop=True)


def optimism(records: Records) -> pd.DataFrame:
    """How far the search flatters its own choice: among all that it tried, recipes and models too.

    Returns:
        One row per workload with at least two candidates: ``candidates`` (configurations of attacks that were
        tried on as many examples, pruned ones too), ``configuration`` (the one that `Choice` puts first),
        ``valid`` (its validation mean on the searched seeds), ``held_out, low, high, n`` (validation of each
        seed by the choice of the other seeds), ``test`` (the choice's test mean on the searched seeds),
        ``fresh_test`` and ``fresh_n`` (on those of a confirmation), and ``optimism`` (``valid`` minus
        ``held_out``, positive where it flatters).
    """
    complete = records.complete()
    attacks = complete[~records.plain(complete)]
    attacks = attacks.assign(place=places(records, attacks, attacks[CONFIGURATION]))
    exploring = attacks[~attacks["stage"].isin(records.confirmations)]
    metric, sign = records.reported, records.selected.sign
    column = records.values(metric)
    found = []
    recipe = sorted({*records.training, *records.trained})
    as_one = replace(records, trials=records.trials.drop(columns=recipe))
    candidates = tried(records)
    for workload, group in exploring.groupby("workload", sort=True):
        size = asked_sizes(group[group["place"] == group["place"].min()]).iloc[0]
        group = group[asked_sizes(group) == size]
        if group[CONFIGURATION].nunique() < 2:
            continue
        names = [c for c in records.spelling if c != "workload" and group[c].nunique(dropna=False) > 1]
        chosen = group[group["place"] == group["place"].min()]
        others = scored_families(as_one, group.drop(columns=recipe), records.selected, ["workload"])
        others = others[others["scored_on"] == HELD_OUT]
        held_out = estimate(others.groupby("seed")["score"].mean())
        fresh = attacks[
            attacks["stage"].isin(records.confirmations)
            & (attacks[CONFIGURATION] == chosen[CONFIGURATION].iloc[0])
        ]
        fresh, chosen = one_per_training(fresh), one_per_training(chosen)
        row = {
            "workload": workload,
            "candidates": int(
                ((candidates["workload"] == workload) & (asked_sizes(candidates) == size)).sum()
            ),
            "configuration": labels(chosen, names)[0],
        }
        row |= {"valid": chosen["value"].mean(), "held_out": held_out.mean, "low": held_out.low}
        row |= {"high": held_out.high, "n": held_out.n, "test": chosen[column].mean()}
        row |= {"fresh_test": fresh[column].mean(), "fresh_n": int(fresh[column].count())}
        found.append(row | {"optimism": sign * (chosen["value"].mean() - held_out.mean)})
    return pd.DataFrame(found)


def tried(records: Records) -> pd.DataFrame:
    """A row for each configuration of an attack that was searched, also where all its trials were pruned."""
    trials = records.trials
    candidates = trials["state"].isin([COMPLETE, PRUNED]) & trials["value"].notna() & (trials[CONTROL] == "")
    candidates &= ~trials["stage"].isin(records.confirmations) & (trials["method"] != BASELINE)
    return trials[candidates & ~records.plain(trials)].drop_duplicates(CONFIGURATION)
