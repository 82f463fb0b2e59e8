"""A page's texts for the points and cells of figures: value, interval, n, and the trials behind them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.document import Mark
from analysis.notation import seeds_text, values_or_interval
from analysis.records import Metric, rows

_SYMBOLS = {"epsilon": "ε", "k": "K"}


def marks_of(table: pd.DataFrame, labels: Sequence[str], metric: Metric, *, gain: bool) -> list[Mark]:
    """A mark for every row of a table that a figure draws, in its order.

    Args:
        table: Rows of `analysis.pairing.summarise`; ``failed`` and ``pruned``, if there are such columns,
            count trials.
        labels: A name per row.
        metric: The metric that is drawn.
        gain: Whether gains over the baseline are drawn rather than values.

    Returns:
        A mark per row: ``ε 1, p 0.5: +0.41 [+0.12, +0.70], 5 seeds, 1 failed``.
    """
    return [
        Mark(f"{label}: {_told(row, metric, gain)}", _numbers(row["trials"]))
        for label, row in zip(labels, rows(table), strict=True)
    ]


def settings_labels(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Each row as its values of some columns: ``ε 1, p 0.5``."""
    return [
        ", ".join(f"{_SYMBOLS.get(column, column)} {row[column]:.4g}" for column in columns)
        for row in rows(table)
    ]


def _told(row: Mapping[str, Any], metric: Metric, gain: bool) -> str:
    center, n = ("gain", "gain_n") if gain else ("mean", "n")
    ends = ("gain_low", "gain_high", "gain_sd") if gain else ("low", "high", "sd")
    told = []
    if gain and row["is_baseline"]:
        told.append("plain training itself")
    elif not math.isnan(row[center]):
        low, high, sd = (row[name] for name in ends)
        told += [values_or_interval(row[center], low, high, row[n], sd, metric, signed=gain)]
        told += [seeds_text(row[n])]
    else:
        told.append("no seed shared with plain training" if row["n"] else "no complete trial")
    told += [
        f"{row[kind]:.0f} {word}"
        for kind, word in (("failed", "failed"), ("pruned", "stopped early"))
        if row.get(kind)
    ]
    return ", ".join(told)


def _numbers(found: Any) -> Sequence[int]:
    return sorted(found) if isinstance(found, Sequence) else ()
