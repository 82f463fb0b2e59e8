"""Quality against cost: passes per step, and training examples."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import INK, MARKERS, MUTED, SERIES, canvas, light_grid, literal
from analysis.records import Metric, rows


def gain_by_passes(table: pd.DataFrame, names: pd.Series, metric: Metric) -> Figure:
    """Gains over the baseline against passes per step, one line per name.

    Args:
        table: Rows with ``passes, gain, gain_low, gain_high`` and, for labels, ``k``.
        names: The name of each row's line; a line joins its rows, which must be scored alike.
        metric: The metric of the gains.
    """
    entries = names.nunique()
    figure, axes = canvas(5.6, 3.2 + 0.2 * (entries if entries > 1 else 0))
    for i, name in enumerate(dict.fromkeys(names)):
        own = table[names == name].sort_values("passes")
        color, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        scale = metric.scale
        axes.plot(
            own["passes"], own["gain"] * scale, color=color, marker=marker, markersize=5, label=literal(name)
        )
        for row in rows(own):
            if not np.isnan(row["gain_low"]):
                x, low, high = row["passes"], row["gain_low"] * scale, row["gain_high"] * scale
                axes.plot([x, x], [low, high], color=color, lw=1.2, alpha=0.6)
            axes.annotate(
                f"K={row['k']:.0f}",
                (row["passes"], row["gain"] * scale),
                (4, 5),
                textcoords="offset points",
                fontsize=7,
                color=MUTED,
            )
    axes.axhline(0, color=INK, lw=1)
    axes.set(
        xlabel="forward-backward passes per step (standard training: 1)",
        ylabel=metric.gain_label.replace("; ", "\n"),
    )
    if whole(table["passes"]):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    light_grid(axes)
    axes.tick_params(length=0)
    if entries > 1:
        figure.legend(loc="outside lower center", ncols=1, fontsize=8, frameon=False, labelcolor=INK)
    return figure


def whole(passes: pd.Series) -> bool:
    """Whether all are whole numbers, so that their axis has whole ticks."""
    return bool(np.isclose(passes, np.round(passes)).all())


def size_curves(curves: pd.DataFrame, metric: Metric) -> Figure:
    """Results against the number of training examples, mean and t interval over seeds.

    Args:
        curves: One workload's rows ``name, size, mean, low, high``, a line per name in the order of rows.
        metric: The metric that is shown.
    """
    names = list(dict.fromkeys(curves["name"]))
    figure, axes = canvas(5.6, 3.2 + 0.2 * len(names))
    for i, name in enumerate(names):
        own = curves[curves["name"] == name].sort_values("size")
        color = SERIES[i % len(SERIES)]
        axes.plot(
            own["size"], own["mean"] * metric.scale, color=color, marker=MARKERS[i % 7], label=literal(name)
        )
        if own["low"].notna().any():
            low, high = own["low"] * metric.scale, own["high"] * metric.scale
            axes.fill_between(own["size"], low, high, color=color, alpha=0.18, lw=0)
    axes.set_xscale("log")
    sizes = sorted(curves["size"].unique())
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes], rotation=35 if len(sizes) > 5 else 0)
    axes.minorticks_off()
    axes.set(xlabel="training examples", ylabel=metric.label)
    light_grid(axes)
    axes.tick_params(length=0)
    figure.legend(loc="outside lower center", ncols=1, fontsize=8, frameon=False, labelcolor=INK)
    return figure
