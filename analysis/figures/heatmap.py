"""ε×p maps: one cell per combination that was tried, absolute or as gain over the baseline."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.figures.style import INK, MUTED, PAPER, canvas, colormap, marked, on_color, plain_bar
from analysis.notation import number
from analysis.records import Metric, rows, size_label

_HATCH = "////"
"""Hatching of cells whose gain is not significant."""


def epsilon_p_map(cells: pd.DataFrame, metric: Metric, *, gain: bool) -> Figure:
    """One map of a grid.

    Args:
        cells: The cells of one panel, as `analysis.questions.sensitivity.epsilon_p_cells` returns them.
        metric: What is shown.
        gain: Whether to show gains over the baseline rather than values: on a diverging map centred on 0,
            with hatched cells where a gain is not significant.

    Returns:
        A figure; a cell holds mean, half width of the 95 % interval, and n.
    """
    epsilons, ps = sorted(cells["epsilon"].unique()), sorted(cells["p"].unique())
    width = 1.6 + 0.78 * max(len(epsilons), 4)
    figure, axes = canvas(width, 1.3 + 0.5 * max(len(ps), 2))
    column = "gain" if gain else "mean"
    norm, colors = _scale(cells[column] * metric.scale, gain)
    for place, cell in enumerate(rows(cells)):
        x, y = epsilons.index(cell["epsilon"]), ps.index(cell["p"])
        value = cell[column] * metric.scale
        if np.isnan(value):
            _empty(axes, x, y, cell, marked(place))
            continue
        told = not gain or bool(cell["significant"])
        color = colors(norm(value))
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, lw=0, gid=marked(place)))
        if not told:
            cover = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="none", edgecolor=on_color(color), lw=0)
            cover.set(hatch=_HATCH, alpha=0.25)
            axes.add_patch(cover)
        low, high = (cell[f"{'gain_' if gain else ''}{end}"] for end in ("low", "high"))
        half = max(high - cell[column], cell[column] - low) * metric.scale  # one end may stop at a bound
        digits = 0 if abs(value) >= 1000 else metric.decimals
        texts = number(value, digits, signed=gain), "" if np.isnan(half) else f"±{half:.{digits}f}"
        _write(axes, x, y, texts, cell, on_color(color), bold=gain and told)
    for edge in range(1, len(epsilons)):
        axes.axvline(edge - 0.5, color=PAPER, lw=2)
    for edge in range(1, len(ps)):
        axes.axhline(edge - 0.5, color=PAPER, lw=2)
    axes.set(
        xlim=(-0.5, len(epsilons) - 0.5),
        ylim=(-0.5, len(ps) - 0.5),
        xlabel=f"{size_label(str(cells['scale'].iloc[0]))} (values tried, not to scale)",
        ylabel="attack probability p",
    )
    axes.set_xticks(range(len(epsilons)), [f"{e:.3g}" for e in epsilons])
    axes.set_yticks(range(len(ps)), [f"{p:.3g}" for p in ps])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    plain_bar(figure.colorbar(ScalarMappable(norm, colors), ax=axes, fraction=0.035, pad=0.02))
    return figure


def _scale(numbers: pd.Series, gain: bool) -> tuple[Normalize, Colormap]:
    present = numbers.dropna()
    if gain:
        reach = float(present.abs().max()) if len(present) else 1.0
        return Normalize(-(reach or 1.0), reach or 1.0), colormap("RdBu")
    low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high), colormap("cividis")


def _write(
    axes: Axes,
    x: int,
    y: int,
    texts: tuple[str, str],
    cell: Mapping[str, Any],
    ink: str,
    *,
    bold: bool,
) -> None:
    """A cell's value, and below it half its interval, n and how many trials failed."""
    value, half = texts
    weight = "bold" if bold else "normal"
    axes.text(x, y + 0.2, value, ha="center", va="center", color=ink, fontweight=weight)
    notes = [f"n={cell['n']}", *([f"{cell['failed']} failed"] if cell["failed"] else [])]
    for text, below in ((half, 0.07), (", ".join(notes), 0.31)):
        axes.text(x, y - below, text, ha="center", va="center", color=ink, fontsize=6)


def _empty(axes: Axes, x: int, y: int, cell: Mapping[str, Any], gid: str) -> None:
    """A cell without a number: densely hatched if all its trials failed, lightly if none ran.

    One that is the baseline, and so has no gain, is not hatched.
    """
    failed, pruned = cell["failed"], cell["pruned"]
    word = "failed" if failed else "pruned" if pruned else "no pair" if cell["n"] else "not run"
    hatch = "xxxx" if failed else "...." if pruned else "////"
    if cell["is_baseline"]:
        word, hatch = "baseline", ""
    place = (x - 0.5, y - 0.5)
    axes.add_patch(Rectangle(place, 1, 1, facecolor=PAPER, edgecolor=MUTED, hatch=hatch, lw=0, gid=gid))
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    axes.text(x, y, word, ha="center", va="center", color=INK, fontsize=7, bbox=box)
