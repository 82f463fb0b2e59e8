"""Curves with bands: learning curves, results along one hyperparameter, accuracy under attack."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import INK, MARKERS, SERIES, canvas, hit_area, light_grid, literal, title
from analysis.records import ABSOLUTE, RELATIVE, Metric, rows, size_label

_IN_A_ROW = 4
"""Panels that fit beside each other on a wide screen."""


def learning(table: pd.DataFrame, metrics: list[Metric]) -> Figure:
    """Learning curves, one panel per metric, one colour per configuration.

    Args:
        table: One workload's rows of `analysis.questions.curves.learning_curves`.
        metrics: The panels, left to right.
    """
    figure, panels = canvas(4.1 * len(metrics), 3.2, 1, len(metrics), squeeze=False)
    names = list(dict.fromkeys(table["configuration"]))
    for axes, metric in zip(panels[0], metrics, strict=True):
        shown = table[table["metric"] == metric.column]
        for i, name in enumerate(names):
            _band(axes, shown[shown["configuration"] == name], "epoch", metric.scale, i, name)
        title(axes, metric.label)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        light_grid(axes)
        axes.tick_params(length=0)
    _legend(figure, panels[0][0], len(names))
    return figure


def marginals(tables: dict[str, pd.DataFrame], metric: Metric, *, gain: bool) -> Figure:
    """Results along hyperparameters, one panel each, four in a row; dotted where values were sampled.

    Args:
        tables: Rows of `analysis.questions.sensitivity.marginal` per hyperparameter, each of one workload,
            with the ``name`` of their curve; those of a relative ε are called ``relative epsilon``.
        metric: What is shown.
        gain: Whether to show the gain over the baseline instead of the value; the baseline's own is 0.
    """
    if gain:
        tables = {n: t.assign(gain=t["gain"].mask(t["is_baseline"], 0.0)) for n, t in tables.items()}
    names = list(dict.fromkeys(name for table in tables.values() for name in table["name"]))
    columns = min(len(tables), _IN_A_ROW)
    lines = math.ceil(len(tables) / columns)
    size = max(3.2 * columns, 4.2), 2.9 * lines + 0.2 + 0.2 * math.ceil((len(names) - 1) / 2)
    figure, panels = canvas(*size, lines, columns, squeeze=False, sharey=True)
    for axes in panels.flat[len(tables) :]:
        axes.remove()
    center = ("gain", "gain_low", "gain_high") if gain else ("mean", "low", "high")
    drawn = 0
    for axes, (name, table) in zip(panels.flat, tables.items(), strict=False):
        for point in rows(table):
            hit_area(axes, point["value"], point[center[0]] * metric.scale, drawn)
            drawn += 1
        for i, curve in enumerate(names):
            _bars(axes, table[table["name"] == curve], center, metric.scale, i, curve)
        values = table["value"].to_numpy(dtype=float)
        if values.min() > 0 and values.max() / values.min() >= 20:
            axes.set_xscale("log")
        elif values.min() == 0 and values.max() / min(values[values > 0], default=1) >= 20:
            axes.set_xscale("symlog", linthresh=float(values[values > 0].min()))
        if gain:
            axes.axhline(0, color=INK, lw=1)
        axes.set_xlabel(_SYMBOLS.get(name, name.replace("_", " ")))
        if name == "k":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        light_grid(axes)
        axes.tick_params(length=0, which="both")
    for first in panels[:, 0]:
        first.set_ylabel((metric.gain_label if gain else metric.label).replace("; ", "\n"))
    _legend(figure, panels[0][0], len(names))
    return figure


def robustness(table: pd.DataFrame, attacks: list[str], metric: Metric) -> Figure:
    """Accuracy against ε, one panel per attack, one colour per method.

    Args:
        table: One workload's rows of `analysis.questions.robustness.under_attack` with their ``label``;
            those of the attack ``clean`` begin every panel.
        attacks: The panels, left to right.
        metric: What is shown.
    """
    figure, panels = canvas(max(3.6 * len(attacks), 4.6), 3.2, 1, len(attacks), squeeze=False, sharey=True)
    names = list(dict.fromkeys(table["label"]))
    for axes, attack in zip(panels[0], attacks, strict=True):
        shown = table[table["attack"].isin(["clean", attack])]
        for i, name in enumerate(names):
            own = shown[shown["label"] == name]
            _band(axes, own[["epsilon", "mean", "low", "high"]], "epsilon", metric.scale, i, name)
        title(axes, attack)
        axes.set_xlabel("ε")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        axes.set_ylim(-3, 103)
        light_grid(axes)
        axes.tick_params(length=0)
    panels[0][0].set_ylabel(metric.label)
    _legend(figure, panels[0][0], len(names))
    return figure


_SYMBOLS = {
    "epsilon": size_label(ABSOLUTE),
    "relative epsilon": size_label(RELATIVE),
    "p": "attack probability p",
    "k": "ascent steps K",
}


def _band(axes: Axes, table: pd.DataFrame, x: str, scale: float, index: int, label: str) -> None:
    table = table.rename(columns={"mean": "center", "low": "lower", "high": "upper"}).sort_values(x)
    color = SERIES[index % len(SERIES)]
    marker = MARKERS[index % len(MARKERS)] if len(table) <= 12 else ""
    axes.plot(
        table[x], table["center"] * scale, color=color, marker=marker, markersize=4, label=literal(label)
    )
    low, high = table["lower"] * scale, table["upper"] * scale
    if not np.isnan(low).all():
        axes.fill_between(table[x], low, high, color=color, alpha=0.18, lw=0)


def _bars(
    axes: Axes, table: pd.DataFrame, columns: Sequence[str], scale: float, index: int, label: str
) -> None:
    """A curve with an interval at every point that has one, even if its neighbours have none."""
    table = table.sort_values("value")
    center, low, high = (table[column].to_numpy(dtype=float) * scale for column in columns)
    axes.errorbar(
        table["value"],
        center,
        yerr=[center - low, high - center],
        color=SERIES[index % len(SERIES)],
        marker=MARKERS[index % len(MARKERS)],
        linestyle=":" if table["sampled"].any() else "-",
        markersize=4,
        elinewidth=1.2,
        capsize=2.5,
        label=literal(label),
    )


def _legend(figure: Figure, axes: Axes, entries: int) -> None:
    """Names the curves below the axes, in two columns if they fit; one name that does not fit widens all."""
    if entries < 2:
        return
    for columns in (2, 1):
        legend = figure.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=columns,
            fontsize=8,
            frameon=False,
            labelcolor=INK,
        )
        width = legend.get_window_extent().width / figure.dpi
        if width <= figure.get_figwidth() or columns == 1:
            break
        legend.remove()
        figure.set_figheight(figure.get_figheight() + 0.2 * (entries // 2))
    figure.set_figwidth(max(figure.get_figwidth(), width))
