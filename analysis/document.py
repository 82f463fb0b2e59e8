"""The parts of a report, before it becomes HTML, Markdown, images or tables."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from analysis.notation import number, p_value, values_or_interval
from analysis.records import Metric, rows

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """A point or cell of a figure about which a page says more.

    Attributes:
        text: What it shows, in words.
        trials: The rows of `Records.trials` behind it: those whose results make its value, and those that
            failed or were stopped.
    """

    text: str
    trials: Sequence[int]


@dataclass(frozen=True)
class Figure:
    """A drawing that is made when it is needed.

    Attributes:
        name: Unique within a report; the file name where figures become files.
        title: Short.
        caption: What to look at.
        caution: What not to conclude.
        alt: What the figure shows, for readers who cannot see it.
        draw: Makes it.
        marks: What a page says of its points and cells, in the order in which the drawing numbers them; see
            `analysis.figures.style.marked`.
    """

    name: str
    title: str
    caption: str
    caution: str
    alt: str
    draw: Callable[[], Drawing]
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Column:
    """A column of a table for people.

    Attributes:
        label: Heading.
        text: The cell of a row.
        order: The value by which the column is sorted; None for the text.
        href: Address that the cell links to, "" for none.
        numeric: Whether cells are aligned to the right.
        leads: Whether it comes first, behind the row's name, where a narrow screen shows a row as a card.
    """

    label: str
    text: Callable[[Row], str]
    order: Callable[[Row], Any] | None = None
    href: Callable[[Row], str] | None = None
    numeric: bool = False
    leads: bool = False


@dataclass(frozen=True)
class Table:
    """A table: the data, and how people read it.

    Attributes:
        name: Unique within a report; the file name where tables become files.
        title: Short.
        caption: What to look at.
        frame: The data, all of them.
        columns: How rows are shown.
        shown: How many rows a page shows; ``None`` for all.
    """

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    columns: Sequence[Column]
    shown: int | None = 30

    def visible(self) -> list[dict[str, Any]]:
        """The rows that a page shows."""
        return rows(self.frame if self.shown is None else self.frame.head(self.shown))

    @property
    def data(self) -> pd.DataFrame:
        """The columns of a file: all except the rows of `Records.trials` behind each row."""
        return self.frame.drop(columns="trials", errors="ignore")

    @property
    def hidden(self) -> int:
        """How many rows a page leaves out."""
        return 0 if self.shown is None else max(len(self.frame) - self.shown, 0)


@dataclass(frozen=True)
class Section:
    """One question and its answer.

    Attributes:
        name: Anchor.
        title: The question, short.
        findings: The answer in plain sentences, the most important first.
        parts: Figures and tables, in order.
        notes: Further remarks, a paragraph each.
        on_measuring: Whether it says how answers were measured rather than what they are.
    """

    name: str
    title: str
    findings: Sequence[str]
    parts: Sequence[Figure | Table] = ()
    notes: Sequence[str] = field(default=())
    on_measuring: bool = False


def file_name(name: str) -> str:
    """A name that is safe in files, ids and addresses."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "part"


def overlapping(table: pd.DataFrame, low: str, high: str) -> int:
    """How many rows have a range that overlaps the first row's; a row without a range overlaps any.

    Args:
        table: Rows, the leader first.
        low: Column of lower ends.
        high: Column of upper ends.
    """
    first, rest = table.iloc[0], table.iloc[1:]
    apart = (rest[high] < first[low]) | (rest[low] > first[high])
    return int((~apart).sum())


def text_column(label: str, key: str) -> Column:
    """A column of plain text."""
    return Column(label, lambda row: "" if pd.isna(row[key]) else str(row[key]))


def number_column(label: str, key: str, digits: int = 0, scale: float = 1.0) -> Column:
    """A column of plain numbers."""
    return Column(label, lambda row: number(row[key] * scale, digits), lambda row: row[key], numeric=True)


def score_column(metric: Metric, label: str | None = None) -> Column:
    """Mean and interval of a metric, from columns ``mean, low, high``."""
    return Column(
        label or metric.label,
        lambda row: values_or_interval(row["mean"], row["low"], row["high"], row["n"], row["sd"], metric),
        lambda row: row["mean"],
        numeric=True,
    )


def gain_column(metric: Metric, label: str = "gain over the baseline") -> Column:
    """Gain and interval, from columns ``gain, gain_low, gain_high`` and ``is_baseline``."""

    def text(row: Row) -> str:
        if row["is_baseline"]:
            return "is the baseline"
        gain = (row["gain"], row["gain_low"], row["gain_high"], row["gain_n"], row["gain_sd"])
        return values_or_interval(*gain, metric, signed=True)

    return Column(label, text, lambda row: row["gain"], numeric=True, leads=True)


def p_column(label: str, key: str) -> Column:
    """A column of p-values."""
    return Column(label, lambda row: p_value(row[key]), lambda row: row[key], numeric=True)
