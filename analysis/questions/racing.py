"""How many seeds each candidate of a race got, and why it got no more."""

import math

import pandas as pd

from analysis.racing import CONTROLS, FAILED, STOPPED, Race
from analysis.records import COMPLETE, CONFIGURATION, CONTROL, PRUNED, Records
from analysis.records import FAILED as FAILED_STATE


def raced(records: Records) -> pd.DataFrame:
    """Every candidate of every race, those with most seeds first, and of these the best.

    Returns:
        One row per candidate: the columns of `Records.spelling`, ``stage``, ``run_id``, ``n`` (seeds that are
        complete), ``valid`` (their mean value), ``behind`` (mean of the incumbent's values on the same seeds,
        less its own, positive where the incumbent is better; missing for that itself) and ``why``.
    """
    found = []
    trials = records.trials[records.trials["stage"].isin(records.races)]
    for _, own in trials.groupby(["stage", "workload"], sort=True):
        stage = own["stage"].iloc[0]
        seeds = next(s["search"]["seeds"] for s in records.sweep["stages"] if s["name"] == stage)
        found.append(_race(own, list(records.sweep["seeds"])[:seeds], records))
    if not found:
        return pd.DataFrame()
    table = pd.concat(found, ignore_index=True)
    order = table.assign(merit=records.selected.sign * table["valid"])
    order = order.sort_values(["workload", "stage", "n", "merit"], ascending=[True, True, False, False])
    return order.drop(columns="merit").reset_index(drop=True)


def _race(trials: pd.DataFrame, seeds: list[int], records: Records) -> pd.DataFrame:
    """The candidates of one race, as it decides on all that is recorded."""
    sign, race = records.selected.sign, Race(len(seeds))
    rows, order = [], {seed: place for place, seed in enumerate(seeds)}
    for _, own in trials.groupby(CONFIGURATION, sort=False):
        once = own.drop_duplicates("seed").sort_values("seed", key=lambda seed: seed.map(order))
        candidate, done = race.enter(), once[(once["state"] == COMPLETE) & once["value"].notna()]
        for value in done["value"]:
            race.add(candidate, sign * float(value))
        lost = once[(once["state"] == COMPLETE) & once["value"].isna()]
        if (once["state"] == PRUNED).any():
            race.close(candidate, STOPPED)
        elif len(lost) or (once["state"] == FAILED_STATE).any():
            race.close(candidate, FAILED)
        elif once[CONTROL].iloc[0]:
            race.close(candidate, CONTROLS)
        rows.append(once.iloc[0][[*records.spelling, "stage", "run_id"]])
    table = pd.DataFrame(rows).reset_index(drop=True)
    first = race.incumbent
    behind = [math.nan] * len(race)
    for candidate in range(len(race)):
        if first is not None and candidate != first:
            shared = min(race.count(candidate), race.count(first))
            behind[candidate] = race.mean(first, shared) - race.mean(candidate, shared)
    return table.assign(
        n=[race.count(c) for c in range(len(race))],
        valid=[sign * race.mean(c) for c in range(len(race))],
        behind=behind,
        why=[race.why(c) for c in range(len(race))],
    )
