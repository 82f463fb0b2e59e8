"""The budget of each trial where stages count passes: what takes as many passes is compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.records.identity import BASELINE, CONFIGURATION, CONTROL

BUDGET, EPOCHS = "training.passes", "training.epochs"
_ROUNDING = 1e-6


def with_budgets(
    trials: pd.DataFrame, sweep: Mapping[str, Any], confirmations: Sequence[str]
) -> pd.DataFrame:
    """Adds `BUDGET` to the trials of a sweep in which a stage has ``budget: passes``; leaves others alone.

    There an attack of c passes a step trains for as many whole epochs as the budget allows. So it shares the
    budget with plain training, and not `EPOCHS`. A trial's budget is read from plain training: the smallest
    that is no less than what the trial took, if one more epoch of it would not have fit. Without such plain
    training it is the trial's own passes. In other stages it is the number of epochs. A confirmation
    runs what other stages chose.

    Args:
        trials: Tidy rows, with ``method, stage, workload, passes`` and `EPOCHS`.
        sweep: The sweep as plain values.
        confirmations: Names of the stages that confirm.
    """
    counted = {str(s.get("name")) for s in sweep.get("stages", ()) if s.get("budget") == "passes"}
    if not counted or EPOCHS not in trials:
        return trials
    of_passes = trials["stage"].isin(counted)
    again = trials["stage"].isin(confirmations)
    of_passes |= again & ~_searched_by_epochs(trials, again, of_passes)
    budget = trials[EPOCHS].astype(float)
    for _, own in trials[of_passes].groupby("workload"):
        budget[own.index] = _budgets(own, own["stage"].isin(confirmations))
    return trials.assign(**{BUDGET: budget})


def _searched_by_epochs(trials: pd.DataFrame, again: pd.Series, of_passes: pd.Series) -> pd.Series:
    """What a confirmation ran of stages that count epochs: configurations, their controls and baselines."""
    chosen = again & trials[CONFIGURATION].isin(trials.loc[~of_passes & ~again, CONFIGURATION])
    as_long = pd.MultiIndex.from_frame(trials[["workload", EPOCHS, "passes"]])
    beside = as_long.isin(as_long[chosen]) | as_long.isin(
        pd.MultiIndex.from_frame(trials.loc[chosen, ["workload", EPOCHS]].assign(passes=1.0))
    )
    return chosen | pd.Series(beside, trials.index)


def _budgets(own: pd.DataFrame, again: pd.Series) -> pd.Series:
    """The budgets of one workload's trials, of which some were run again by a confirmation."""
    took = own["passes"] * own[EPOCHS].astype(float)
    plain = (own["method"] == BASELINE) & (own[CONTROL] == "")
    first = plain & ~again
    asked = np.sort((took[first] if first.any() else took[plain]).dropna().unique())
    if not len(asked):
        asked = np.ceil([took.max() - _ROUNDING])
    place = np.searchsorted(asked, took - _ROUNDING)
    above = pd.Series(asked[np.minimum(place, len(asked) - 1)], own.index)
    one_more = took / own[EPOCHS].astype(float) + 1
    fits = (place < len(asked)) & (above < took + one_more)
    # An epoch that costs more than the whole budget is trained all the same.
    over = (place == len(asked)) & (own[EPOCHS] == 1)
    return above.where(fits | over, np.ceil(took - _ROUNDING))
