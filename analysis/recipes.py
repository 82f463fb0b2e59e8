"""Recipes: settings of training, data and model, under which results can be compared with each other."""

from collections.abc import Collection

import pandas as pd

from analysis.records import Records, labels


def recipes(records: Records, trials: pd.DataFrame, beside: Collection[str] = ()) -> pd.Series:
    """The recipe of each trial, for people: what varies within its workload; "" where nothing does.

    Args:
        records: What was recorded.
        trials: Rows of its trials.
        beside: Settings that are looked at otherwise, such as the one on a figure's axis.
    """
    found = pd.Series("", index=trials.index, dtype=object)
    for _, own in trials.groupby("workload"):
        varied = [c for c in records.training if c not in beside and own[c].nunique(dropna=False) > 1]
        if varied:
            distinct = own[varied].drop_duplicates()
            names = distinct.assign(recipe=labels(distinct, varied))
            found.loc[own.index] = own[varied].merge(names, on=varied, how="left")["recipe"].to_numpy()
    return found
