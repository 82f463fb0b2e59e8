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

from analysis.figures.style import INK, MUTED, PAPER, canvas, colormap, on_color, plain_bar
from analysis.records import Metric, rows, size_label

_FADED = 0.25


def epsilon_p_map(cells: pd.DataFrame, metric: Metric, *, gain: bool) -> Figure:
    """One map of a grid.

    Args:
        cells: The cells of one panel, as `analysis.questions.sensitivity.epsilon_p_cells` gives them.
        metric: What is shown.
        gain: Show gains over the baseline, on a diverging map centred on 0 with cells faded that are not
            significant, rather than values.

    Returns:
        A figure; a cell holds mean, half width of the 95 % interval, and n where it is not the usual one.
    """
    epsilons, ps = sorted(cells["epsilon"].unique()), sorted(cells["p"].unique())
    width = 1.6 + 0.78 * max(len(epsilons), 4)
    figure, axes = canvas(width, 1.3 + 0.5 * max(len(ps), 2))
    column = "gain" if gain else "mean"
    norm, colors = _scale(cells[column] * metric.scale, gain)
    usual = int(cells.loc[cells["n"] > 0, "n"].mode().max()) if (cells["n"] > 0).any() else 0
    for cell in rows(cells):
        x, y = epsilons.index(cell["epsilon"]), ps.index(cell["p"])
        number = cell[column] * metric.scale
        if np.isnan(number):
            _empty(axes, x, y, cell)
            continue
        faded = gain and not cell["significant"]
        color = colors(norm(number))
        axes.add_patch(
            Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, alpha=_FADED if faded else 1, lw=0)
        )
        ink = INK if faded else on_color(color)
        half = (cell[f"{'gain_' if gain else ''}high"] - cell[column]) * metric.scale
        _write(axes, x, y, number, half, cell, usual, ink, signed=gain, bold=gain and not faded)
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
    number: float,
    half: float,
    cell: Mapping[str, Any],
    usual: int,
    ink: str,
    *,
    signed: bool,
    bold: bool,
) -> None:
    digits = 2 if abs(number) < 1000 else 0
    text = f"{number:+.{digits}f}".replace("-", "−") if signed else f"{number:.{digits}f}"
    axes.text(x, y + 0.13, text, ha="center", va="center", color=ink, fontweight="bold" if bold else "normal")
    notes = [] if np.isnan(half) else [f"±{half:.{digits}f}"]
    notes += [f"n={cell['n']}"] if cell["n"] != usual or np.isnan(half) else []
    notes += [f"{cell['failed']} failed"] if cell["failed"] else []
    axes.text(x, y - 0.22, " ".join(notes[:2]), ha="center", va="center", color=ink, fontsize=6.5)


def _empty(axes: Axes, x: int, y: int, cell: Mapping[str, Any]) -> None:
    """A cell without a number: densely hatched where all its trials failed, lightly where none ran.

    One that is the baseline, and so has no gain, is not hatched.
    """
    failed, pruned = cell["failed"], cell["pruned"]
    word = "failed" if failed else "pruned" if pruned else "no pair" if cell["n"] else "not run"
    hatch = "xxxx" if failed else "...." if pruned else "////"
    if cell["is_baseline"]:
        word, hatch = "baseline", ""
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="none", edgecolor=MUTED, hatch=hatch, lw=0))
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    axes.text(x, y, word, ha="center", va="center", color=INK, fontsize=7, bbox=box)
