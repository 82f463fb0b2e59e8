"""Compared numbers laid out as the papers print them: rows by columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.published.tables import PAPERS, load
from analysis.records import rows

_PANEL = re.compile(r"(Figure \d+)([A-Z])")
_EXAMPLES = {"clean": "clean images", "adversarial": "FGSM images", "both": "both"}


@dataclass(frozen=True)
class Printed:
    """One table or figure of a paper with what was measured of it.

    Attributes:
        paper: One of `analysis.published.PAPERS`.
        name: Its name in the paper, such as ``Table 10``.
        cells: Its rows of `analysis.published.compare`, with ``line``, ``column`` and their places,
            ``line_place`` and ``column_place``.
        count: How many numbers the paper prints there.
    """

    paper: str
    name: str
    cells: pd.DataFrame
    count: int

    @property
    def lines(self) -> list[str]:
        """Labels of the rows of which anything was measured, in the paper's order."""
        return list(dict.fromkeys(self.cells.sort_values("line_place", kind="stable")["line"]))

    @property
    def columns(self) -> list[str]:
        """Labels of such columns, numbers by size."""
        return list(dict.fromkeys(self.cells.sort_values("column_place", kind="stable")["column"]))

    def cell(self, line: str, column: str) -> Mapping[str, Any] | None:
        """What was measured there, if anything was."""
        found = self.cells[(self.cells["line"] == line) & (self.cells["column"] == column)]
        return rows(found)[0] if len(found) else None


def printed(table: pd.DataFrame) -> list[Printed]:
    """Every table and figure with a measured number, paper by paper in the papers' order.

    Args:
        table: What `analysis.published.compare` gave.
    """
    if table.empty:
        return []
    placed = table.assign(printed=[_name(name) for name in table["table"]])
    found = []
    for paper in PAPERS:
        numbers = load(paper)
        counts = numbers[numbers["method"].notna()]["table"].map(_name).value_counts(sort=False)
        for name in dict.fromkeys(map(_name, numbers["table"])):
            own = placed[(placed["paper"] == paper) & (placed["printed"] == name)]
            if len(own):
                found.append(Printed(paper, name, _placed(own.reset_index(drop=True)), int(counts[name])))
    return found


def _name(table: str) -> str:
    """``Table 3`` of 3, and ``Figure 2`` of its panels."""
    panel = _PANEL.fullmatch(table)
    return panel[1] if panel else table if table[0].isalpha() else f"Table {table}"


def _placed(cells: pd.DataFrame) -> pd.DataFrame:
    """Labels of row and column, and their places; a number stands at its size, a name where it came first."""
    lines, columns = [], []
    for row in rows(cells):
        line, column = _labels(row)
        lines.append(line)
        columns.append(column)
    labels = cells.assign(line=lines, column=[text for text, _ in columns])
    order = {text: i for i, text in enumerate(dict.fromkeys(labels["column"]))}
    places = [place if place is not None else order[text] for text, place in columns]
    line_order = {text: i for i, text in enumerate(dict.fromkeys(lines))}
    return labels.assign(column_place=places, line_place=[line_order[text] for text in lines])


def _labels(row: Mapping[str, Any]) -> tuple[str, tuple[str, float | None]]:
    """The labels of a number's row and column, and the place of the column where it is a number."""
    paper, name, workload = row["paper"], _name(row["table"]), str(row["workload"])
    if name == "Table 3":
        return row["row"], (f"{row['train_size']:,.0f} examples", row["train_size"])
    if name == "Table 10":
        return row["row"].replace("P = ", "p = "), (f"ε = {row['epsilon']:g}", row["epsilon"])
    if name == "Figure 3a":
        return f"{workload}: {row['row']}", (_under_attack(row), row["attack_epsilon"])
    if paper == "apb":
        panel = _PANEL.fullmatch(row["table"])
        examples = _EXAMPLES[row["training_examples"]]
        where = f"{panel[2]}, trained on {examples}, {_under_attack(row)}: " if panel else ""
        return f"{where}{row['row']}", (workload, None)
    if paper == "dropen":
        return row["row"], (f"{workload}, {_under_attack(row)}", None)
    measure = ", F1" if str(row["metric"]).endswith("_f1") else ""
    return row["row"], (f"{workload}{measure}", None)


def _under_attack(row: Mapping[str, Any]) -> str:
    """``FGSM ε = 0.3``; in the paper's units, with pixels beside where they are others."""
    if row["attack"] == "none":
        return "clean"
    epsilon, pixels = row["attack_epsilon"], row["pixel_epsilon"]
    others = pixels is not None and pixels == pixels and pixels != epsilon
    return f"{str(row['attack']).upper()} ε = {epsilon:g}" + (f" ({pixels:g} in pixels)" if others else "")
