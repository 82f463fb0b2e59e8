"""The papers side by side with these records."""

from functools import partial
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.document import Column, Row, Section, Table, number_column, text_column
from analysis.notation import number
from analysis.published import PAPERS, Printed, compare, contradictions, printed, unprinted
from analysis.published.deviations import Deviation, unstated
from analysis.published.verdicts import AGREES, DIFFERS, UNDECIDED, WITHHELD
from analysis.records import Records

_POINTS = 100
_REMARK = " *"


def section(records: Records) -> Section | None:
    """Every published number that these records can speak to, as the papers print them, with verdicts."""
    table = compare(records)
    if table.empty:
        return None
    papers = [paper for paper in PAPERS if paper in set(table["paper"])]
    workloads = sorted(set(table["workload"]))
    flaws = contradictions()
    flaws = flaws[flaws["paper"].isin(papers)].reset_index(drop=True)
    parts = [_printed(own) for own in printed(table)]
    parts.append(_everything(table))
    differing = _deviating(table)
    if len(differing):
        parts.append(_deviations(differing))
    if len(flaws):
        parts.append(_contradictions(flaws))
    small = (table["verdict"] == WITHHELD).all()
    title = "The papers side by side" + (", in small" if small else "")
    notes = [*_NOTES, *_silence(papers, workloads), *_unprinted(records, papers)]
    return Section("papers", title, _finding(table), parts, notes)


_NOTES = (
    "Two means are compared: a published number is a mean of seeds too, taken to spread as ours do. Ours ± is "
    "half the 95 % interval of the difference, and the number agrees where it lies within. Where the test split "
    "is not the paper's, the interval holds what another draw of test examples would change. A gain here is "
    "paired by seed; the paper's two means are not.",
    "Undecided: these seeds cannot tell the paper's number from its baseline's (for a baseline: from its best "
    "result's). Withheld: a setting that the paper states is another here, so that the two numbers need not be "
    "alike. With *, a setting differs of which only the published code or nothing speaks.",
)


def _silence(papers: Sequence[str], workloads: Sequence[str]) -> list[str]:
    """What the papers do not state."""
    told = [f"{paper}: {', '.join(about)}" for paper in papers if (about := unstated(paper, workloads))]
    return [f"The papers do not state some settings. {'; '.join(told)}."] if told else []


def _unprinted(records: Records, papers: Sequence[str]) -> list[str]:
    """Figures of which something was measured, and which print no values."""
    found = unprinted()
    trained = records.complete().groupby("workload")["method"].agg(set)
    told = [
        f"{row.paper}, {row.figure}. {row.about}"
        for row in found.itertuples(index=False)
        if row.paper in papers and row.method in trained.get(row.workload, set())
    ]
    return [f"No values to compare with: {' '.join(told)}"] if told else []


def _finding(table: pd.DataFrame) -> list[str]:
    """Verdicts, where a number that a table prints several times for one training counts once."""
    table = table.drop_duplicates(["paper", "table", "workload", "metric", "published", "sample"])
    findings = [_counted(table["verdict"], "published numbers")]
    if "gain_verdict" in table and table["gain_verdict"].notna().any():
        findings.append(_counted(table["gain_verdict"].dropna(), "published gains"))
    withheld = table[table["verdict"] == WITHHELD]
    if len(withheld):
        why = dict.fromkeys(d.text for own in withheld["deviations"] for d in own if d.withholds)
        few = len(withheld) < len(table)
        findings.append(
            f"{'Some of these' if few else 'These'} trainings are not the papers', so that no verdict is given "
            f"on them: {'; '.join(why)}."
        )
    return findings


def _counted(verdicts: pd.Series, what: str) -> str:
    """``Of 16 published numbers 10 agree, 2 differ and 4 are undecided.``"""
    counts = verdicts.value_counts()
    words = {AGREES: "agree", DIFFERS: "differ", UNDECIDED: "are undecided", WITHHELD: "are without a verdict"}
    told = [f"{int(counts[v])} {text}" for v, text in words.items() if counts.get(v, 0)]
    listed = f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]
    return f"Of {len(verdicts)} {what} {listed}."


def _within(mean: float, half: float, n: float, *, signed: bool = False) -> str:
    """``90.12 ± 0.31 (5)`` in points."""
    spread = "" if half != half else f" ± {number(half * _POINTS)}"
    return f"{number(mean * _POINTS, signed=signed)}{spread} ({n:.0f})"


def _judged(verdict: str, differing: Sequence[Deviation]) -> str:
    return verdict + (_REMARK if differing and verdict != WITHHELD else "")


def _printed(own: Printed) -> Table:
    """A table as the paper prints it; each cell has its number, ours and the verdict."""
    lines, columns = own.lines, own.columns
    frame: dict[str, list[Any]] = {"row": lines}
    for column in columns:
        cells = [own.cell(line, column) for line in lines]
        for name in ("published", "mean", "half", "n", "verdict"):
            frame[f"{column}: {name}"] = [None if cell is None else cell[name] for cell in cells]
        frame[f"{column}: remark"] = [
            "" if cell is None else "; ".join(d.text for d in cell["deviations"]) for cell in cells
        ]
    several = own.cells["workload"].nunique() > 1
    sizes = _sizes(own.cells, several)
    return Table(
        f"papers-{own.paper}-{own.name.lower().replace(' ', '-')}",
        f"{own.paper}, {own.name}",
        f"{len(own.cells)} of the {own.count} numbers that it prints. Each cell, in per cent: paper | ours ± half "
        f"the 95 % interval of their difference (seeds) | verdict. {sizes}",
        pd.DataFrame(frame),
        [text_column("row", "row"), *(Column(name, partial(_cell, name)) for name in columns)],
        shown=None,
    )


def _sizes(cells: pd.DataFrame, several: bool) -> str:
    """On how many examples the trainings behind a table trained."""
    told = []
    for workload, own in cells.groupby("workload", sort=False):
        known = sorted(set(own["size"].dropna()))
        numbers = ", ".join(f"{size:,.0f}" for size in known) or "an unknown number of"
        told.append(f"{workload} on {numbers}" if several else f"{numbers}")
    return f"Trained on {'; '.join(told)} examples." if several else f"Trained on {told[0]} examples."


def _cell(column: str, row: Row) -> str:
    published = row[f"{column}: published"]
    if published is None or published != published:
        return "–"
    ours = _within(row[f"{column}: mean"], row[f"{column}: half"], row[f"{column}: n"])
    verdict = row[f"{column}: verdict"]
    remark = _REMARK if row[f"{column}: remark"] and verdict != WITHHELD else ""
    return f"{number(published * _POINTS)} | {ours} | {verdict}{remark}"


def _everything(table: pd.DataFrame) -> Table:
    """One row per number: what was trained, the gain over the baseline, and what deviates."""
    frame = table.assign(
        source=[f"{row.paper}, {_place(row.table)}" for row in table.itertuples()],
        remark=["; ".join(d.text for d in own) for own in table["deviations"]],
    ).drop(columns="deviations")
    columns = [
        text_column("source", "source"),
        text_column("row", "row"),
        text_column("workload", "workload"),
        text_column("metric", "metric"),
        text_column("trained here", "configuration"),
        Column("examples", lambda row: number(row["size"], 0), lambda row: row["size"], numeric=True),
        number_column("paper", "published", 2, _POINTS),
        Column("ours", lambda row: _within(row["mean"], row["half"], row["n"]), lambda row: row["mean"], numeric=True),
        text_column("verdict", "verdict"),
    ]
    if "gain" in frame:
        columns += [
            Column(
                "paper's gain",
                lambda row: number(row["published_gain"] * _POINTS, signed=True),
                lambda row: row["published_gain"],
                numeric=True,
            ),
            Column("our gain", _gain, lambda row: row["gain"], numeric=True),
            text_column("verdict on the gain", "gain_verdict"),
        ]
    columns.append(text_column("what deviates", "remark"))
    return Table(
        "papers",
        "Every number",
        "In per cent; ± is half the 95 % interval of the difference between paper and ours, and in brackets are "
        "our seeds.",
        frame,
        columns,
        shown=None,
    )


def _place(table: str) -> str:
    return table if table[0].isalpha() else f"Table {table}"


def _gain(row: Row) -> str:
    if row["gain"] != row["gain"]:
        return "–"
    return _within(row["gain"], row["gain_half"], row["gain_n"], signed=True)


def _deviating(table: pd.DataFrame) -> pd.DataFrame:
    """Each setting that is not a paper's, once, with the workloads and how many numbers it touches."""
    told = [
        {"paper": row.paper, "workload": row.workload, "about": d.about, "stated": d.paper, "here": d.here}
        | {"source": d.source, "effect": "no verdict" if d.withholds else "a remark"}
        for row in table.itertuples()
        for d in row.deviations
    ]
    if not told:
        return pd.DataFrame()
    frame = pd.DataFrame(told)
    return frame.groupby(list(frame.columns), sort=False).size().rename("numbers").reset_index()


def _deviations(differing: pd.DataFrame) -> Table:
    return Table(
        "deviations",
        "What deviates from the papers",
        "Settings of these trainings that are not those behind the published numbers.",
        differing,
        [
            text_column("paper", "paper"),
            text_column("of", "workload"),
            text_column("setting", "about"),
            text_column("the paper's", "stated"),
            text_column("here", "here"),
            text_column("where it is stated", "source"),
            text_column("leads to", "effect"),
            number_column("numbers", "numbers"),
        ],
        shown=None,
    )


def _contradictions(flaws: pd.DataFrame) -> Table:
    columns = [text_column("paper", "paper"), text_column("about", "about")]
    for side in ("a", "b"):
        columns += [text_column("place", f"place_{side}"), text_column("says", f"value_{side}")]
    return Table(
        "contradictions",
        "Where the papers contradict themselves",
        "A number that disagrees with its own paper is no target to hit.",
        flaws,
        columns,
        shown=None,
    )
