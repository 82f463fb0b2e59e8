"""Gains over plain training with their intervals, one row for each compared way to train."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import INK, MUTED, PAPER, SERIES, canvas, hit_area, light_grid, literal
from analysis.records import Metric


@dataclass(frozen=True)
class ForestRow:
    """One way to train.

    Attributes:
        label: What it is called.
        gain: Mean gain over plain training, in the metric's unit; 0 for plain training itself.
        low: Lower end of its 95 % interval; NaN if there is none.
        high: Upper end.
        values: Each seed's gain, drawn if there is no interval.
        told: The gain in words, set beside the row.
        marked: Whether it is what is recommended.
    """

    label: str
    gain: float
    low: float
    high: float
    values: Sequence[float]
    told: str
    marked: bool


def gains_forest(rows: Sequence[ForestRow], metric: Metric, margin: float = 0) -> Figure:
    """Gains over plain training in the order of the rows, the first on top; the recommended one is filled.

    Args:
        rows: What was compared.
        metric: What gains are of.
        margin: Differences up to this do not matter, and dashed lines are their ends; 0 or NaN for none.
    """
    figure, axes = canvas(4.2, forest_height(len(rows)))
    draw_forest(axes, rows, metric, margin)
    return figure


def forest_height(count: int) -> float:
    """Inches for so many rows."""
    return 0.9 + 0.46 * max(count, 2)


def draw_forest(axes: Axes, rows: Sequence[ForestRow], metric: Metric, margin: float) -> None:
    """Draws what `gains_forest` shows on the axes of one panel."""
    scale = metric.scale
    if margin > 0:
        for end in (-margin * scale, margin * scale):
            axes.axvline(end, color=MUTED, lw=1, ls=(0, (4, 3)))
    for y, row in enumerate(rows):
        color = SERIES[0] if row.marked else MUTED
        if not np.isnan(row.low):
            axes.plot([row.low * scale, row.high * scale], [y, y], color=color, lw=2.4, alpha=0.75)
        elif len(row.values) > 1:
            axes.plot([v * scale for v in row.values], [y] * len(row.values), "|", color=color, markersize=9)
        face = color if row.marked else "none"
        axes.plot(row.gain * scale, y, "o", color=color, markerfacecolor=face, markersize=7)
        hit_area(axes, row.gain * scale, y, y)
        named_row(axes, y, f"{row.label}   {row.told}", bold=row.marked)
    gain_axis(axes, len(rows), metric.gain_label)


def named_row(axes: Axes, y: int, text: str, *, bold: bool) -> None:
    """Sets a row's name above its line, so that a figure is narrow enough for a phone."""
    axes.text(
        0,
        y - 0.2,
        literal(text),
        transform=axes.get_yaxis_transform(),
        fontsize=8.5,
        color=INK,
        va="bottom",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
        fontweight="bold" if bold else "normal",
    )


def gain_axis(axes: Axes, count: int, label: str) -> None:
    """Rows downwards on an axis of gains, with a line at none."""
    axes.axvline(0, color=INK, lw=1)
    light_grid(axes, "x")
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[["left"]].set_visible(False)
    axes.set_ylim(count - 0.6, -0.8)
    axes.margins(x=0.08)
    axes.set_xlabel(label)
