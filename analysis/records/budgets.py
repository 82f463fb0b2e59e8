"""The budget of each trial where stages count passes: what takes as many passes is compared."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.budget import budget_of
from analysis.records.identity import BASELINE, CONFIGURATION, CONTROL
from dropattack.methods.dropattack_settings import P_ZERO

BUDGET, COUNTED, EPOCHS = "training.passes", "training.counted", "training.epochs"
_METHOD = ("method", "targets", "epsilon", "p", "k")


def with_budgets(
    trials: pd.DataFrame, sweep: Mapping[str, Any], confirmations: Sequence[str]
) -> pd.DataFrame:
    """Adds `BUDGET` to the trials of a sweep in which a stage has ``budget: passes``; leaves others alone.

    There an attack of c passes a step trains for as many whole epochs as the budget allows. So it shares the
    budget with plain training, and not `EPOCHS`. Its budget is the least that its stage asks for and
    that is enough for what it took. Where the sweep does not say what it asks for, the budgets are those of
    plain training. In other stages it is the number of epochs. A confirmation runs what other stages chose.

    `COUNTED` is added if attacks ran in stages of both kinds: ``passes`` or ``epochs``. Then these are no
    candidates of one choice.

    Args:
        trials: Tidy rows, with ``method, stage, workload, passes`` and `EPOCHS`.
        sweep: The sweep as plain values.
        confirmations: Names of the stages that confirm.
    """
    stages = {str(s.get("name")): s for s in sweep.get("stages", ()) if s.get("budget") == "passes"}
    if not stages or EPOCHS not in trials:
        return trials
    took, plain = trials["passes"] * trials[EPOCHS].astype(float), _plain(trials)
    again = trials["stage"].isin(confirmations)
    budget = trials[EPOCHS].astype(float)
    of_passes = trials["stage"].isin(stages)
    for (name, workload), own in trials[of_passes].groupby(["stage", "workload"]):
        space = {**(sweep.get("training") or {}), **(stages[str(name)].get("training") or {})}.get("epochs")
        if space is None:
            beside = plain & (trials["workload"] == workload)
            known = took[beside & ~again] if (beside & ~again).any() else took[beside]
            space = list(known.dropna()) or [np.ceil(took[own.index].max())]
        asked = _asked(space)
        given = took[own.index].map(partial(budget_of, asked), na_action="ignore")
        budget[own.index] = given.astype(float)
    for _, own in trials.groupby("workload"):
        found = _inherited(own, budget[own.index], of_passes[own.index], again[own.index])
        budget[found.index], of_passes[found.index] = found["budget"], found["of_passes"]
    with_both = trials.assign(**{BUDGET: budget})
    attacks = of_passes[~plain & ~again]
    if attacks.nunique() > 1:
        with_both[COUNTED] = np.where(of_passes, "passes", "epochs")
    return with_both


def _plain(trials: pd.DataFrame) -> pd.Series:
    return ((trials["method"] == BASELINE) & (trials[CONTROL] == "")) | (trials[CONTROL] == P_ZERO)


def _asked(space: Any) -> list[float] | None:
    """The budgets in a space; ``None`` if it is a range of all whole numbers."""
    if isinstance(space, Mapping):
        step = space.get("step")
        return list(np.arange(space["low"], space["high"] + step / 2, step)) if step else None
    return [float(value) for value in np.atleast_1d(space)]


def _inherited(own: pd.DataFrame, budget: pd.Series, of_passes: pd.Series, again: pd.Series) -> pd.DataFrame:
    """Budgets of one workload's confirmed trials: those of the search, and of what they stand beside."""
    found = pd.DataFrame({"budget": budget, "of_passes": of_passes})
    searched = found[~again].groupby(own.loc[~again, CONFIGURATION]).max()
    known = again & own[CONFIGURATION].isin(searched.index)
    for column in found:
        found.loc[known, column] = searched[column].reindex(own.loc[known, CONFIGURATION]).to_numpy()
    method = [c for c in _METHOD if c in own]
    costs = own[["passes", EPOCHS]].astype(float).round(6)
    twins = [own[method].astype(str), costs]
    chosen = known & ~_plain(own)
    first = own[again & ~known].drop_duplicates(CONFIGURATION)
    for row in first.index:
        if own.loc[row, CONTROL] == "":
            beside = chosen & found["of_passes"] & (found["budget"] == own.loc[row, EPOCHS])
            less = chosen & found["of_passes"] & (np.floor(costs.prod(axis=1)) == own.loc[row, EPOCHS])
            beside = beside if beside.any() else less
        else:
            alike = [(each == each.loc[row]).all(axis=1) for each in twins]
            beside = chosen & alike[1] & alike[0]
            beside = beside if beside.any() else chosen & alike[1]
        if beside.any():
            same = again & (own[CONFIGURATION] == own.loc[row, CONFIGURATION])
            found.loc[same, "budget"] = found.loc[beside, "budget"].max()
            found.loc[same, "of_passes"] = found.loc[beside, "of_passes"].any()
    return found[again]
