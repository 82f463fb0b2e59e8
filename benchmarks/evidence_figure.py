"""The figure of docs/results.md on the experiment, drawn from the records of its sweeps.

    python -m benchmarks.evidence_figure docs/evidence/*.parquet docs/images/evidence.png

A panel for each dataset has the gains of its DropAttack arm over each other arm and over each control, on
fresh seeds. The filled mark is the planned contrast; the thin line under it is the interval over seeds and
examples. Differences between the dashed lines do not matter.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.forest import draw_forest, forest_height
from analysis.figures.style import INK, canvas, png, title
from analysis.questions.contest import Met
from analysis.sections.contest import forest_rows
from benchmarks.evidence import met_in
from dropattack import UsageError

WIDTH = 4.6
"""Of a panel, in inches."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="trials.parquet of a sweep of arms"
    )
    parser.add_argument("output", type=Path, metavar="PNG", help="where to write the figure")
    asked = parser.parse_args(arguments)
    try:
        found = [met for file in asked.files for met, _ in met_in(file)]
    except UsageError as error:
        parser.exit(2, f"{error}\n")
    asked.output.write_bytes(png(drawn(found)))


def drawn(several: Sequence[Met]) -> Figure:
    """A panel for each dataset, two in a row."""
    columns = min(len(several), 2)
    rows = math.ceil(len(several) / columns)
    height = max(forest_height(len(forest_rows(met))) for met in several) + 0.3
    figure, axes = canvas(WIDTH * columns, height * rows, rows, columns, squeeze=False)
    for place, panel in enumerate(axes.flat):
        if place < len(several):
            _panel(panel, several[place])
        else:
            panel.set_visible(False)
    return figure


def _panel(axes: Axes, met: Met) -> None:
    rows = forest_rows(met)
    draw_forest(axes, rows, met.metric, met.scale.margin)
    title(axes, f"{met.workload}: gain of {met.contender.arm}")
    low, high = met.contrast.crossed
    if not math.isnan(low):
        (y,) = (place for place, row in enumerate(rows) if row.marked)
        ends = [low * met.metric.scale, high * met.metric.scale]
        axes.plot(ends, [y + 0.16, y + 0.16], color=INK, lw=0.9)


if __name__ == "__main__":
    main()
