"""A front: configurations by two aims, those that none is better than in both ways standing out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.aims import Constraint
from analysis.figures.style import INK, MUTED, SERIES, canvas, hit_area, light_grid, literal
from analysis.records import Metric, rows


def front_figure(table: pd.DataFrame, aims: Sequence[Metric], constraints: Sequence[Constraint]) -> Figure:
    """The first aim upwards against each other aim, a panel for each.

    Args:
        table: One workload's rows of `analysis.questions.front.front`, with ``point`` (a letter, or nothing).
        aims: The sweep's, at least two.
        constraints: Drawn as lines that nothing on their dotted side keeps to.
    """
    first, *others = aims
    figure, panels = canvas(4.4, 3.4 * len(others), len(others), squeeze=False)
    for axes, other in zip(panels.flat, others, strict=True):
        _panel(axes, table, other, first, joined=len(aims) == 2)
        for constraint in constraints:
            _limit(axes, constraint, other, first)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, across: Metric, up: Metric, *, joined: bool) -> None:
    on_front = table["rank"] == 0
    for number, row in enumerate(rows(table)):
        x, y = row[across.column] * across.scale, row[up.column] * up.scale
        if row["rank"]:
            axes.plot(x, y, "o", color=MUTED, alpha=0.45, markersize=4, markeredgewidth=0)
        else:
            color = SERIES[1] if row["best"] else SERIES[0]
            _interval(axes, row, across, y, color, flat=True)
            _interval(axes, row, up, x, color, flat=False)
            axes.plot(x, y, "*" if row["best"] else "o", color=color, markersize=11 if row["best"] else 6)
            axes.annotate(
                literal(str(row["point"])), (x, y), (5, 5), textcoords="offset points", fontsize=8, color=INK
            )
        hit_area(axes, x, y, number)
    shown = table[on_front & joined].sort_values(across.column)
    axes.plot(
        shown[across.column] * across.scale,
        shown[up.column] * up.scale,
        color=SERIES[0],
        lw=1,
        alpha=0.35,
        zorder=1,
    )
    axes.set(xlabel=_label(across), ylabel=_label(up))
    light_grid(axes)
    axes.tick_params(length=0)
    axes.margins(0.1)


def _interval(
    axes: Axes, row: dict[str, float], metric: Metric, at: float, color: str, *, flat: bool
) -> None:
    low, high = row[f"{metric.column}_low"], row[f"{metric.column}_high"]
    if np.isnan(low):
        return
    least, most = metric.bounds
    ends = [max(low, least) * metric.scale, min(high, most) * metric.scale]
    axes.plot(*((ends, [at, at]) if flat else ([at, at], ends)), color=color, lw=1.2, alpha=0.55)


def _limit(axes: Axes, constraint: Constraint, across: Metric, up: Metric) -> None:
    for metric, line in ((across, axes.axvline), (up, axes.axhline)):
        if metric.column == f"valid_{constraint.metric}":
            line(constraint.bound * metric.scale, color=INK, lw=1, ls=":")


def _label(metric: Metric) -> str:
    return literal(f"{metric.label}, {'more' if metric.larger_is_better else 'less'} is better")
