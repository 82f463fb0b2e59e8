"""What makes a workload's comparisons doubtful: plain training that is not done, or that learns nothing."""

import math
from collections.abc import Mapping

import pandas as pd

from analysis.notation import number
from analysis.records import Records
from analysis.statistics import FEWEST

_LAST = 0.1
"""The share of the epochs, at least one, over which a training may still improve."""
_NOTHING_LEARNED = {
    "r2": "no better than the mean of the labels",
    "mcc": "no better than chance",
}
"""What a value of 0 or below means, by metric."""


def doubts(records: Records) -> Mapping[str, str]:
    """A sentence for each workload whose plain training gives reason to doubt; nothing for the others."""
    found = {}
    for workload, own in records.baselines().drop_duplicates("key").groupby("workload", sort=True):
        told = [text for text in (_useless(own), _under_way(records, own)) if text]
        if told:
            found[str(workload)] = " ".join(told)
    return found


def _useless(own: pd.DataFrame) -> str:
    """Says so where plain training predicts no better than without a model."""
    for name, means in _NOTHING_LEARNED.items():
        for split in ("test", "valid"):
            column = f"{split}_{name}"
            value = float(own[column].mean()) if column in own else math.nan
            if value <= 0:
                return f"Plain training predicts {means} ({split} {name.upper()} {number(value)})."
    return ""


def _under_way(records: Records, own: pd.DataFrame) -> str:
    """Says so where plain training improved at its end by more than another seed changes it.

    Of the trainings that ran for the usual number of epochs: what the last tenth of them brought, on average,
    beside the standard deviation of the final values over seeds.
    """
    metric, epochs = records.selected, own["epochs"].mode().max()
    curves = records.epochs
    if metric.column not in curves or not epochs > 1:
        return ""
    last = max(1, math.ceil(_LAST * epochs))
    keys = own.loc[own["epochs"] == epochs, "key"]
    table = curves[curves["key"].isin(keys)].pivot_table(index="key", columns="epoch", values=metric.column)
    if not {epochs, epochs - last} <= set(table.columns):
        return ""
    final, before = table[epochs], table[epochs - last]
    gain, spread = metric.sign * float((final - before).mean()), float(final.std(ddof=1))
    if final.count() < FEWEST or not gain > spread:
        return ""
    size = number(gain * metric.scale, metric.decimals)
    sd = number(spread * metric.scale, metric.decimals)
    verb = "rose" if metric.larger_is_better else "fell"
    unit = " points" if metric.is_fraction else ""
    when = "epoch" if last == 1 else f"{last} epochs"
    return (
        f"Plain training was still improving at its end: {metric.name} {verb} by {size}{unit} in the last "
        f"{when}, and the seeds' standard deviation is {sd}. More epochs may change the answer."
    )
