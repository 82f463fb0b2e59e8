"""The papers side by side with these records."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from analysis.document import Column, Row, Section, Table, number_column, text_column
from analysis.notation import number
from analysis.published import PAPERS, Printed, compare, contradictions, printed, unprinted
from analysis.published.deviations import unstated
from analysis.published.verdicts import AGREES, DIFFERS, UNDECIDED, WITHHELD
from analysis.records import Records, rows

_POINTS = 100
_REMARK = " *"
_NAMES = {"dropattack": "DropAttack", "apb": "APB", "dropen": "Dropen"}
_WORDS = {
    AGREES: ("agrees", "agree"),
    DIFFERS: ("differs", "differ"),
    UNDECIDED: ("is undecided", "are undecided"),
    WITHHELD: ("has no verdict", "have no verdict"),
}
_NOTES = (
    "Two means are compared. The published number is a mean of seeds too, which are taken to spread as ours "
    "do. Ours ± is half the 95 % interval of the difference. The number agrees where it lies within, and "
    "differs where it does not. Where the paper drew its own test split, the interval includes what another "
    "draw of test examples would change. A gain here is paired by seed; the paper's two means are not.",
    "Undecided: these seeds cannot distinguish the paper's number from its baseline (for a baseline: from "
    "its best result). Withheld: a setting that paper or code states is another here, so the numbers need "
    "not be alike. With *: another setting differs that should matter less, or that nobody states.",
)


def section(records: Records) -> Section | None:
    """Every published number that these records can speak to, as the papers print them, with verdicts."""
    table = compare(records)
    if table.empty:
        return None
    papers = [paper for paper in PAPERS if paper in set(table["paper"])]
    flaws = contradictions()
    flaws = flaws[flaws["paper"].isin(papers)].reset_index(drop=True)
    fullest = sorted(printed(table), key=lambda own: -len(own.cells) / own.count)
    parts = [*map(_printed, fullest), _everything(table)]
    differing = _deviating(table)
    if len(differing):
        parts.append(_deviations(differing))
    if len(flaws):
        parts.append(_contradictions(flaws))
    small = bool((table["verdict"] == WITHHELD).all())
    title = "The papers side by side" + (", in small" if small else "")
    notes = [*_NOTES, *_silence(papers, sorted(set(table["workload"]))), *_unprinted(records, papers)]
    return Section("papers", title, _finding(table), parts, notes)


def _silence(papers: Sequence[str], workloads: Sequence[str]) -> list[str]:
    """What the papers do not state."""
    told = [f"{_NAMES[p]}: {', '.join(about)}" for p in papers if (about := unstated(p, workloads))]
    return [f"What the papers do not state: {'; '.join(told)}."] if told else []


def _unprinted(records: Records, papers: Sequence[str]) -> list[str]:
    """Figures of which something was measured, and which print no values."""
    trained = records.complete()
    there = set(zip(trained["workload"], trained["method"], strict=True))
    told = [
        f"{_NAMES[row['paper']]}, {row['figure']}: {row['about']}"
        for row in rows(unprinted())
        if row["paper"] in papers and (row["workload"], row["method"]) in there
    ]
    return [f"Nothing to compare with. {' '.join(told)}"] if told else []


def _finding(table: pd.DataFrame) -> list[str]:
    """Verdicts, where a number that a table prints several times for one training counts once."""
    table = table.drop_duplicates(["paper", "table", "workload", "metric", "published", "sample"])
    findings = [_counted(table["verdict"], "published numbers")]
    if "gain_verdict" in table and table["gain_verdict"].notna().any():
        findings.append(_counted(table["gain_verdict"].dropna(), "published gains"))
    withheld = table[table["verdict"] == WITHHELD]
    if len(withheld):
        why = dict.fromkeys(d.text for own in withheld["deviations"] for d in own if d.withholds)
        which = "Some of these trainings" if len(withheld) < len(table) else "These trainings"
        findings.append(f"{which} differ from the papers', so they have no verdict: {'; '.join(why)}.")
    return findings


def _counted(verdicts: pd.Series, what: str) -> str:
    """Such as ``Of 16 published numbers, 10 agree, 2 differ and 4 are undecided``, with a full stop."""
    counts = verdicts.value_counts()
    known = [(int(counts.get(verdict, 0)), words) for verdict, words in _WORDS.items()]
    told = [f"{n} {one if n == 1 else several}" for n, (one, several) in known if n]
    listed = f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]
    one = what.removesuffix("s") if len(verdicts) == 1 else what
    return f"Of {len(verdicts)} {one}, {listed}."


def _within(mean: float, half: float, n: float, *, signed: bool = False) -> str:
    """A mean in points with half its interval and the number of seeds: ``90.12 ± 0.31 (5)``."""
    spread = "" if half != half else f" ± {number(half * _POINTS)}"
    return f"{number(mean * _POINTS, signed=signed)}{spread} ({n:.0f})"


def _printed(own: Printed) -> Table:
    """A table as the paper prints it; each cell has its number, ours and the verdict."""
    lines, columns = own.lines, own.columns
    frame: dict[str, list[Any]] = {"row": lines}
    for column in columns:
        cells = [own.cell(line, column) for line in lines]
        for name in ("published", "mean", "half", "n", "verdict"):
            frame[f"{column}: {name}"] = [None if cell is None else cell[name] for cell in cells]
        told = [() if cell is None else cell["deviations"] for cell in cells]
        frame[f"{column}: remark"] = ["; ".join(d.text for d in differing) for differing in told]
    return Table(
        f"papers-{own.paper}-{own.name.lower().replace(' ', '-')}",
        f"{_NAMES[own.paper]}, {own.name}",
        f"{len(own.cells)} of the {own.count} numbers that it prints. Each cell, in per cent: paper | ours "
        f"± half the 95 % interval of their difference (seeds) | verdict. Trained on {_sizes(own.cells)}.",
        pd.DataFrame(frame),
        [text_column("row", "row"), *(Column(name, partial(_cell, name)) for name in columns)],
        shown=None,
    )


def _sizes(cells: pd.DataFrame) -> str:
    """On how many examples the trainings behind a table trained."""
    told = {}
    for workload, own in cells.groupby("workload", sort=False):
        known = sorted(set(own["size"].dropna()))
        told[workload] = ", ".join(f"{size:,.0f}" for size in known) or "an unknown number of"
    if len(told) == 1:
        return f"{next(iter(told.values()))} examples"
    return "; ".join(f"{numbers} examples of {workload}" for workload, numbers in told.items())


def _cell(column: str, row: Row) -> str:
    published, verdict = row[f"{column}: published"], row[f"{column}: verdict"]
    if published is None or published != published:
        return "–"
    ours = _within(row[f"{column}: mean"], row[f"{column}: half"], row[f"{column}: n"])
    remark = _REMARK if row[f"{column}: remark"] and verdict != WITHHELD else ""
    return f"{number(published * _POINTS)} | {ours} | {verdict}{remark}"


def _everything(table: pd.DataFrame) -> Table:
    """One row per number: what was trained, and the gain over the baseline."""
    places = zip(table["paper"], table["table"], strict=True)
    frame = table.assign(
        source=[f"{_NAMES[p]}, {t if t[0].isalpha() else f'Table {t}'}" for p, t in places],
        remark=["; ".join(d.text for d in own) for own in table["deviations"]],
    ).drop(columns="deviations")
    columns = [
        text_column("source", "source"),
        text_column("row", "row"),
        text_column("workload", "workload"),
        text_column("metric", "metric"),
        text_column("trained here", "configuration"),
        Column("examples", _examples, lambda row: row["size"], numeric=True),
        number_column("paper", "published", 2, _POINTS),
        Column("ours", _ours, lambda row: row["mean"], numeric=True),
        text_column("verdict", "verdict"),
    ]
    if "gain" in frame:
        columns += [
            Column("paper's gain", _published_gain, lambda row: row["published_gain"], numeric=True),
            Column("our gain", _gain, lambda row: row["gain"], numeric=True),
            text_column("verdict on the gain", "gain_verdict"),
        ]
    return Table(
        "papers",
        "Every number, and the gains over the baseline",
        "In per cent; ours ± half the 95 % interval of the difference from the paper's (seeds).",
        frame,
        columns,
        shown=None,
    )


def _examples(row: Row) -> str:
    return "–" if row["size"] != row["size"] else f"{row['size']:,.0f}"


def _ours(row: Row) -> str:
    return _within(row["mean"], row["half"], row["n"])


def _published_gain(row: Row) -> str:
    return number(row["published_gain"] * _POINTS, signed=True)


def _gain(row: Row) -> str:
    if row["gain"] != row["gain"]:
        return "–"
    return _within(row["gain"], row["gain_half"], row["gain_n"], signed=True)


def _deviating(table: pd.DataFrame) -> pd.DataFrame:
    """Each setting that is not a paper's, once, with how many numbers it touches."""
    told = [
        {
            "paper": _NAMES[row["paper"]],
            "workload": row["workload"],
            "about": own.about,
            "stated": own.paper,
            "here": own.here,
            "source": own.source,
            "effect": "no verdict" if own.withholds else "a remark",
        }
        for row in rows(table)
        for own in row["deviations"]
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
            text_column("trained", "workload"),
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
