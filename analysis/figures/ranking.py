"""Ranked gains with their intervals, one row each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import INK, MUTED, SERIES, canvas, light_grid
from analysis.records import Metric, rows


def gain_forest(table: pd.DataFrame, labels: Sequence[str], metric: Metric) -> Figure:
    """Gains over the baseline, best on top, filled where significant.

    Args:
        table: Rows with ``gain, gain_low, gain_high, significant``, in the order to draw.
        labels: A name per row.
        metric: What the gains are of.
    """
    figure, axes = canvas(7.6, 0.9 + 0.27 * max(len(table), 2))
    scale = metric.scale
    for y, row in enumerate(rows(table)):
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
    axes.axvline(0, color=INK, lw=1)
    light_grid(axes, "x")
    axes.set_yticks(range(len(table)), list(labels))
    axes.tick_params(length=0)
    axes.spines[["left"]].set_visible(False)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(metric.gain_label)
    return figure
