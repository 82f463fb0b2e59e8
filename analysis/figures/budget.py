"""Quality against cost: passes per step, and training examples."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import INK, MARKERS, MUTED, SERIES, canvas, light_grid, literal
from analysis.records import BASELINE, Metric, rows


def gain_by_passes(table: pd.DataFrame, names: pd.Series, metric: Metric) -> Figure:
    """Gains over the baseline against passes per step, one line per name.

    Args:
        table: Rows with ``passes, gain, gain_low, gain_high`` and, for labels, ``k``.
        names: What each row belongs to.
        metric: What the gains are of.
    """
    figure, axes = canvas(5.6, 3.4)
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
    light_grid(axes)
    axes.tick_params(length=0)
    entries = names.nunique()
    if entries > 1:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False, labelcolor=INK)
    return figure


def size_curves(curves: pd.DataFrame, metric: Metric) -> Figure:
    """Results against the number of training examples, mean and t interval over seeds.

    Args:
        curves: One workload's rows ``method, size, mean, low, high``.
        metric: What is shown.
    """
    figure, axes = canvas(5.6, 3.4)
    methods = sorted(set(curves["method"]), key=lambda name: (name != BASELINE, name))
    for i, method in enumerate(methods):
        own = curves[curves["method"] == method].sort_values("size")
        color = SERIES[i % len(SERIES)]
        axes.plot(
            own["size"], own["mean"] * metric.scale, color=color, marker=MARKERS[i % 7], label=literal(method)
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
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    return figure
