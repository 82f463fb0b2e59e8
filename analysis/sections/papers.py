"""The papers side by side with these records."""

import pandas as pd

from analysis.document import Column, Row, Section, Table, number_column, text_column
from analysis.notation import number
from analysis.published import PAPERS, compare, contradictions
from analysis.published.verdicts import AGREES, DIFFERS
from analysis.records import Records

_POINTS = 100


def section(records: Records) -> Section | None:
    """Every published number that these records can speak to, with a verdict."""
    table = compare(records)
    if table.empty:
        return None
    table = table.assign(
        source=[f"{p} {_place(t)}" for p, t in zip(table["paper"], table["table"], strict=True)]
    )
    papers = sorted(set(table["paper"]), key=list(PAPERS).index)
    flaws = contradictions()
    flaws = flaws[flaws["paper"].isin(papers)].reset_index(drop=True)
    return Section(
        "papers",
        "The papers side by side",
        _finding(table),
        [_comparison(table), _contradictions(flaws)],
        [
            "A published number is a mean of few seeds too, so two means are compared, theirs taken to "
            "spread as "
            "ours. Undecided: these seeds cannot tell the paper's number from its baseline's (for a "
            "baseline: "
            "from its best result's). Data, epochs and preprocessing may differ from the paper's where it "
            "is silent.",
        ],
    )


def _place(table: str) -> str:
    return table if table[0].isalpha() else f"Table {table}"


def _finding(table: pd.DataFrame) -> list[str]:
    """Verdicts, where a number that a table prints several times for one training counts once."""
    table = table.drop_duplicates(["paper", "table", "workload", "metric", "published", "sample"])
    counts = table["verdict"].value_counts()
    agree, differ = int(counts.get(AGREES, 0)), int(counts.get(DIFFERS, 0))
    undecided = len(table) - agree - differ
    findings = [
        f"Of {len(table)} published numbers {agree} agree, {differ} differ and {undecided} are undecided "
        "at this n."
    ]
    if "gain_verdict" in table and table["gain_verdict"].notna().any():
        gains = table["gain_verdict"].value_counts()
        same, other = int(gains.get(AGREES, 0)), int(gains.get(DIFFERS, 0))
        left = int(gains.sum()) - same - other
        findings.append(
            f"Of {int(gains.sum())} published gains {same} agree, {other} differ and {left} are undecided."
        )
    return findings


def _interval(row: Row, center: str, low: str, high: str, *, signed: bool) -> str:
    value = row.get(center, float("nan"))
    if value != value:
        return "–"
    if row[low] != row[low]:
        return number(value * _POINTS, signed=signed)
    return f"{number(value * _POINTS, signed=signed)} ± {number((row[high] - row[low]) / 2 * _POINTS)}"


def _comparison(table: pd.DataFrame) -> Table:
    columns = [
        text_column("source", "source"),
        text_column("row", "row"),
        text_column("workload", "workload"),
        number_column("paper", "published", 2, _POINTS),
        Column("ours", lambda row: _interval(row, "mean", "low", "high", signed=False), numeric=True),
        number_column("n", "n"),
        text_column("verdict", "verdict"),
    ]
    if "gain" in table:
        columns += [
            Column(
                "paper's gain",
                lambda row: number(row["published_gain"] * _POINTS, signed=True),
                lambda row: row["published_gain"],
                numeric=True,
            ),
            Column(
                "our gain",
                lambda row: _interval(row, "gain", "gain_low", "gain_high", signed=True),
                numeric=True,
            ),
            text_column("verdict on the gain", "gain_verdict"),
        ]
    return Table(
        "papers", "Paper and ours", "In per cent; ours ± half the 95 % t interval.", table, columns, shown=60
    )


def _contradictions(flaws: pd.DataFrame) -> Table:
    columns = [text_column("paper", "paper"), text_column("about", "about")]
    for side in ("a", "b"):
        columns += [text_column("place", f"place_{side}"), number_column("says", f"value_{side}", 2)]
    return Table(
        "contradictions",
        "Where the papers contradict themselves",
        "A number that disagrees with its own paper is no target to hit.",
        flaws,
        columns,
    )
