"""What every benchmark gives: rows of one table, each a claim with its target and how it was measured."""

import argparse
import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from search.records.provenance import cpu_model


@dataclass(frozen=True)
class Row:
    """One line of the table of performance.

    Attributes:
        what: What was measured.
        target: What it should be, for people.
        measured: What it was, with its spread.
        n: How often it was measured.
        met: Whether the target was met.
        remark: What else a reader must know.
    """

    what: str
    target: str
    measured: str
    n: int
    met: bool
    remark: str = ""


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and in brackets the range."""
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = ["| what | target | measured | n | met | |", "|---|---|---|---:|---|---|"]
    for row in rows:
        cells = [row.what, row.target, row.measured, str(row.n), "yes" if row.met else "**no**", row.remark]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def hardware() -> str:
    """The processor's name, where the system tells it."""
    return f"{cpu_model()}, {os.cpu_count()} cores"


def main(measure: Callable[..., list[Row]], doc: str, **defaults: int) -> None:
    """The command line of a benchmark: prints its rows, and with ``--json`` writes them to a file.

    Args:
        measure: Gives the rows; called with one argument for each default.
        doc: The script's docstring.
        defaults: Whole numbers that become options.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} unless told")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = vars(parser.parse_args())
    path = options.pop("json")
    rows = measure(**options)
    print(markdown(rows))
    if path is not None:
        path.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
