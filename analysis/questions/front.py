"""Which configurations are best in some way, for a sweep with several aims."""

import pandas as pd

from analysis.keeping import beyond
from analysis.pareto import ranks
from analysis.records import CONFIGURATION, Metric, Records, labels, one_per_training
from analysis.scoring import places
from analysis.statistics import estimate


def aims_of(records: Records) -> list[Metric]:
    """The validation metrics that a sweep aims at, in its order."""
    return [Metric(goal.column, goal.sign > 0) for goal in records.rule.goals]


def front(records: Records) -> pd.DataFrame:
    """Every searched configuration by its means over the searched seeds, and which are on the front.

    A configuration is on its workload's front if no other one has a mean at least as good in every aim and a
    better one in some. Controls are no candidates; plain training is. Plain training that no stage searched,
    and that a confirmation ran as what it compares with, is there by its means over the fresh seeds.

    Returns:
        One row per configuration with a value of every aim, those of the front first, of these the best first
        by the first aim: the columns of `Records.spelling`, `CONFIGURATION`, ``configuration`` (for people),
        ``n`` (seeds), ``rank`` (0 on the front), ``keeps`` (whether it keeps to the constraints), ``best``
        (whether it is the best by the rule), ``plain`` (whether it is plain training), ``searched`` (whether
        a stage searched it), ``fresh`` (whether a confirmation ran it), ``run_id``,
        ``trials`` (their rows), and of each aim's column ``C``: ``C`` (mean), ``C_low`` and ``C_high`` (95 %
        interval), and ``test_…`` with its ends, on fresh seeds where there are any. Empty where a sweep has
        one aim.
    """
    if not records.rule.several:
        return pd.DataFrame()
    columns = [metric.column for metric in aims_of(records)]
    trials = records.complete()
    if trials.empty or not set(columns) <= set(trials.columns):
        return pd.DataFrame()
    trials = trials.assign(place=places(records, trials, trials[CONFIGURATION]))
    fresh = trials["stage"].isin(records.confirmations)
    searched = one_per_training(trials[~fresh].dropna(subset=columns))
    again = dict(tuple(one_per_training(trials[fresh]).groupby(CONFIGURATION)))
    short = beyond(records) if records.rule.constraints else {}
    own = dict(tuple(searched.groupby(CONFIGURATION)))
    plain = {name for name, each in {**again, **own}.items() if records.plain(each).all()}
    compared = {name: again[name].dropna(subset=columns) for name in plain & again.keys() - own.keys()}
    found = [
        _row(records, each, again.get(name), columns)
        | {"keeps": not short.get(str(name), 0.0), "plain": name in plain, "searched": name in own}
        for name, each in sorted({**own, **compared}.items())
        if len(each)
    ]
    if not found:
        return pd.DataFrame()
    table = pd.DataFrame(found)
    names = [c for c in records.spelling if c != "workload"]
    names = [c for c in names if "." not in c or table[c].nunique(dropna=False) > 1]
    table["configuration"] = labels(table, names)
    signs = [goal.sign for goal in records.rule.goals]
    points = table[columns] * signs
    own_rank = points.groupby(table["workload"]).apply(
        lambda own: pd.Series(ranks(own.to_numpy().tolist()), own.index)
    )
    table["rank"] = own_rank.droplevel(0) if own_rank.index.nlevels > 1 else own_rank.iloc[0]
    table["best"] = table["place"] == table.groupby("workload")["place"].transform("min")
    order = points.assign(workload=table["workload"], rank=table["rank"])
    by = ["workload", "rank", *columns]
    order = order.sort_values(by, ascending=[True, True, *(False for _ in columns)], kind="stable")
    return table.loc[order.index].drop(columns="place").reset_index(drop=True)


def _row(
    records: Records, own: pd.DataFrame, again: pd.DataFrame | None, columns: list[str]
) -> dict[str, object]:
    """One configuration: its means on validation, and on test."""
    first = own.iloc[0]
    row: dict[str, object] = {str(name): first[name] for name in records.spelling}
    row |= {CONFIGURATION: first[CONFIGURATION], "run_id": first["run_id"], "place": first["place"]}
    row |= {"n": len(own), "fresh": again is not None, "trials": [int(index) for index in own.index]}
    for column in columns:
        test = column.replace("valid_", "test_", 1)
        tested = own if again is None else again
        for name, values in ((column, own[column]), (test, tested.get(test, pd.Series(dtype=float)))):
            found = estimate(values)
            row |= {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
    return row
