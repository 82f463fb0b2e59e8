"""Loss surfaces: along a line, as contours, and in three dimensions."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import (
    INK,
    MUTED,
    ON_DARK,
    PAPER,
    RULE,
    SERIES,
    canvas,
    colormap,
    light_grid,
    literal,
    title,
)

_LEVELS = 16


def lines(table: pd.DataFrame) -> Figure:
    """Loss and accuracy along one direction, one colour per model.

    Args:
        table: What `analysis.questions.landscape.line` gave.
    """
    figure, panels = canvas(7.6, 3.1, 1, 2)
    for axes, (column, scale, name) in zip(
        panels, (("loss", 1, "loss"), ("accuracy", 100, "accuracy (%)")), strict=True
    ):
        for i, (label, rows) in enumerate(table.groupby("label", sort=False)):
            axes.plot(
                rows["delta"], rows[column] * scale, color=SERIES[i % len(SERIES)], label=literal(str(label))
            )
        axes.axvline(0, color=INK, lw=0.8)
        title(axes, name)
        axes.set_xlabel("distance in filter norms")
        light_grid(axes)
        axes.tick_params(length=0)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
        labelcolor=INK,
    )
    return figure


def contours(table: pd.DataFrame) -> Figure:
    """Contours of the loss, one panel per model on one scale.

    Args:
        table: What `analysis.questions.landscape.surface` gave.
    """
    labels = list(dict.fromkeys(table["label"]))
    levels = _levels(table["loss"])
    figure, panels = canvas(3.3 * len(labels) + 0.8, 3.4, 1, len(labels), squeeze=False, sharey=True)
    for axes, label in zip(panels[0], labels, strict=True):
        x, y, z = _grid(table[table["label"] == label])
        drawn = axes.contourf(x, y, z, levels=levels, cmap=colormap("viridis"), extend="max")
        axes.contour(x, y, z, levels=levels, colors=PAPER, linewidths=0.4)
        axes.plot(0, 0, "+", color=ON_DARK, markersize=9)
        title(axes, literal(textwrap.fill(label, 34)))
        axes.set_xlabel("δ")
        axes.set_aspect("equal")
        axes.tick_params(length=0)
    panels[0][0].set_ylabel("η")
    bar = figure.colorbar(drawn, ax=panels[0], fraction=0.04, pad=0.02, format="%.2g")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelcolor=INK, labelsize=8)
    bar.set_label("loss", color=INK)
    return figure


def surfaces(table: pd.DataFrame) -> Figure:
    """The loss in three dimensions, one panel per model on one scale; losses above it are cut off.

    Args:
        table: What `analysis.questions.landscape.surface` gave.
    """
    labels = list(dict.fromkeys(table["label"]))
    levels = _levels(table["loss"])
    low, high = float(levels[0]), float(levels[-1])
    figure, panels = canvas(
        3.6 * len(labels), 3.6, 1, len(labels), squeeze=False, subplot_kw={"projection": "3d"}
    )
    for axes, label in zip(panels[0], labels, strict=True):
        x, y, z = _grid(table[table["label"] == label])
        cut = np.minimum(z, high)
        axes.plot_surface(
            *np.meshgrid(x, y), cut, cmap=colormap("viridis"), vmin=low, vmax=high, rcount=40, ccount=40, lw=0
        )
        title(axes, literal(textwrap.fill(label, 34)))
        axes.set(zlim=(low, high), xlabel="δ", ylabel="η")
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.pane.set(facecolor=PAPER, edgecolor=RULE)
            axis.label.set_color(MUTED)
        axes.tick_params(labelsize=7, labelcolor=INK)
    return figure


def _grid(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = rows.pivot_table(index="eta", columns="delta", values="loss")
    return table.columns.to_numpy(), table.index.to_numpy(), table.to_numpy()


def _levels(losses: pd.Series) -> np.ndarray:
    """Evenly spaced over the logarithm, up to the 90th percentile, where the interesting part ends."""
    finite = losses[np.isfinite(losses)]
    low, high = max(float(finite.min()), 1e-6), float(finite.quantile(0.9))
    return np.geomspace(low, max(high, low * 1.01), _LEVELS)
