"""Ranked gains with their intervals, one row each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.forest import gain_axis, named_row
from analysis.figures.style import INK, MUTED, SERIES, canvas, hit_area, literal
from analysis.records import Metric, rows


def gain_forest(table: pd.DataFrame, labels: Sequence[str], metric: Metric) -> Figure:
    """Gains over the baseline, best on top, filled where significant.

    Args:
        table: Rows with ``gain, gain_low, gain_high, significant``, in the order to draw.
        labels: A name per row.
        metric: What the gains are of.
    """
    figure, axes = canvas(5.2, 0.9 + 0.4 * max(len(table), 2))
    scale = metric.scale
    for y, (row, label) in enumerate(zip(rows(table), labels, strict=True)):
        named_row(axes, y, label, bold=bool(row["significant"]))
        if np.isnan(row["gain"]):
            axes.text(0, y, "no pair with the baseline", color=MUTED, va="center", fontsize=7.5)
            continue
        color = SERIES[0] if row["significant"] else MUTED
        if not np.isnan(row["gain_low"]):
            axes.plot(
                [row["gain_low"] * scale, row["gain_high"] * scale], [y, y], color=color, lw=2.2, alpha=0.75
            )
        face = color if row["significant"] else "none"
        axes.plot(row["gain"] * scale, y, "o", color=color, markerfacecolor=face, markersize=6.5)
        hit_area(axes, row["gain"] * scale, y, y)
    gain_axis(axes, len(table), metric.gain_label)
    return figure


def critical_difference(names: Sequence[str], ranks: Sequence[float], difference: float) -> Figure:
    """A critical-difference diagram (Demšar 2006): mean ranks, with bars over ranks that do not differ.

    Args:
        names: Treatments.
        ranks: Their mean ranks, 1 the best.
        difference: The critical difference.
    """
    order = np.argsort(ranks, kind="stable")
    bars = _cliques([float(ranks[i]) for i in order], difference)
    count = len(names)
    figure, axes = canvas(7.6, 1.3 + 0.24 * count + 0.14 * len(bars))
    axes.set(xlim=(0.8, count + 0.2), ylim=(-count - 0.2, 1.2 + 0.6 * len(bars)))
    axes.plot([1, count], [0, 0], color=INK, lw=1)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [0, 0.15], color=INK, lw=1)
    axes.set_xticks(range(1, count + 1))
    for line, i in enumerate(order):
        axes.plot([ranks[i], ranks[i]], [0, -line - 0.7], color=MUTED, lw=0.9)
        axes.plot(ranks[i], 0, "o", color=SERIES[0], markersize=4)
        right = ranks[i] > (count + 1) / 2
        text = f"{literal(names[i])}  {ranks[i]:.2f}"
        axes.text(ranks[i], -line - 0.75, f" {text} ", ha="right" if right else "left", va="top", fontsize=8)
    for line, (low, high) in enumerate(bars):
        axes.plot(
            [low - 0.04, high + 0.04], [0.6 + 0.6 * line] * 2, color=SERIES[1], lw=3, solid_capstyle="butt"
        )
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel(f"mean rank, 1 is best; critical difference {difference:.2f}")
    return figure


def _cliques(ranks: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """The longest runs of sorted ranks that lie within the critical difference."""
    runs: list[tuple[float, float]] = []
    for i, low in enumerate(ranks):
        high = max(rank for rank in ranks[i:] if rank - low <= difference)
        if high > low and (not runs or high > runs[-1][1]):
            runs.append((low, high))
    return runs
