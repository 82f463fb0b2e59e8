"""Fitted maps and importances."""

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import INK, PAPER, SERIES, canvas, colormap, light_grid, literal, plain_bar
from analysis.figures.style import title as heading
from analysis.questions.surrogate import Surrogate
from analysis.records import Metric, rows, size_label


def surrogate_map(surrogate: Surrogate, metric: Metric) -> Figure:
    """Expected score on the left, its standard deviation on the right, the trials themselves on top.

    One scale of colours holds for the expectation and the trials' own scores.
    """
    figure, panels = canvas(8.6, 3.6, 1, 2, sharey=True)
    scores = surrogate.points["score"].to_numpy() * metric.scale
    layers = (
        (surrogate.mean, "cividis", f"expected {metric.label}", scores),
        (surrogate.sd, "Greys", "its standard deviation", np.array([])),
    )
    for axes, (values, name, title, also) in zip(panels, layers, strict=True):
        scaled = values * metric.scale
        levels = _levels(np.concatenate([scaled.ravel(), also]))
        norm = Normalize(levels[0], levels[-1])
        colors = colormap(name)
        drawn = axes.contourf(surrogate.epsilon, surrogate.p, scaled, levels=levels, cmap=colors, norm=norm)
        plain_bar(figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02, ticks=MaxNLocator(5)))
        heading(axes, title)
        axes.set_xlabel(size_label(surrogate.scale))
        if surrogate.log:
            axes.set_xscale("log")
        axes.tick_params(length=0, which="both")
        if len(also):
            color = colors(norm(also))
            at = surrogate.points["epsilon"], surrogate.points["p"]
            axes.scatter(*at, c=color, s=18, edgecolors=PAPER, linewidths=0.7)
    panels[1].scatter(surrogate.points["epsilon"], surrogate.points["p"], color=SERIES[1], s=9)
    panels[0].set_ylabel("attack probability p")
    return figure


def _levels(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high if high - low > 1e-9 else low + 1e-6, 13)


def importance_bars(table: pd.DataFrame) -> Figure:
    """Importances with bootstrap intervals, one panel per evaluator.

    Args:
        table: One workload's and method's rows of `analysis.questions.importance.importances`.
    """
    evaluators = list(dict.fromkeys(table["evaluator"]))
    order = (
        table.groupby("hyperparameter")["importance"].mean().sort_values(ascending=False, kind="stable").index
    )
    figure, panels = canvas(
        3.4 * len(evaluators) + 0.8, 0.9 + 0.3 * len(order), 1, len(evaluators), squeeze=False
    )
    for axes, evaluator in zip(panels[0], evaluators, strict=True):
        for row in rows(table[table["evaluator"] == evaluator]):
            y = list(order).index(row["hyperparameter"])
            axes.barh(y, row["importance"], color=SERIES[0], height=0.55)
            axes.plot([row["low"], row["high"]], [y, y], color=INK, lw=1.4)
        heading(axes, evaluator)
        axes.set(
            xlim=(0, 1),
            ylim=(len(order) - 0.4, -0.6),
            xlabel="share of the spread explained",
        )
        axes.set_yticks(range(len(order)), [literal(name) for name in order])
        axes.tick_params(length=0)
        light_grid(axes, "x")
    return figure
