"""Margins of trials and configurations to the constraints of a sweep's rule."""

import math

import pandas as pd

from analysis.aims import shortfall
from analysis.records import CONFIGURATION, Records, one_per_training


def margins_of(records: Records, trials: pd.DataFrame) -> list[tuple[float, ...]]:
    """Each trial's margin to each constraint, as in `analysis.aims.Rule.margins`; empty if there are none."""
    rule = records.rule
    if not rule.constraints:
        return [()] * len(trials)
    names = [constraint.metric for constraint in rule.constraints]
    columns = [trials.get(f"valid_{name}", pd.Series(math.nan, trials.index)) for name in names]
    found = []
    for values in zip(*columns, strict=True):
        pairs = zip(names, values, strict=True)
        found.append(rule.margins({name: None if pd.isna(value) else float(value) for name, value in pairs}))
    return found


def beyond(records: Records) -> dict[str, float]:
    """By how much the means of each configuration violate the constraints; 0 if they keep to all.

    Means are over the complete trials on searched seeds; for a configuration that ran on fresh seeds only,
    over these.
    """
    trials = records.complete(controls=True)
    again = trials["stage"].isin(records.confirmations)
    trials = trials[~again | again.groupby(trials[CONFIGURATION]).transform("all")]
    trials = one_per_training(trials)
    margins = pd.DataFrame(margins_of(records, trials), trials.index)
    known = margins.notna().groupby(trials[CONFIGURATION]).all()
    means = margins.groupby(trials[CONFIGURATION]).mean().where(known)
    return {str(name): shortfall(list(row)) for name, row in zip(means.index, means.to_numpy(), strict=True)}
