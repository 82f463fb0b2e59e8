"""Records that hold what the papers print give every number in its place, as a report shows them."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from analysis import published
from analysis.document import Table
from analysis.published.comparison import matched
from analysis.published.verdicts import WITHHELD
from analysis.sections import papers
from tests.search.printed import records_of

SMALL = {"data.vectors": "", "model.embedding_size": 8, "model.hidden": 8, "training.epochs": 1}
SHAPES = {
    "table2": ("dropattack", "Table 2", 66, 11, 6),
    "table3": ("dropattack", "Table 3", 16, 2, 8),
    "table4": ("dropattack", "Table 4", 30, 5, 6),
    "table5": ("dropattack", "Table 5", 15, 15, 1),
    "table6": ("dropattack", "Table 6", 28, 14, 2),
    "table7": ("dropattack", "Table 7", 14, 14, 1),
    "table8": ("dropattack", "Table 8", 14, 14, 1),
    "table9": ("dropattack", "Table 9", 14, 14, 1),
    "table10": ("dropattack", "Table 10", 49, 7, 7),
    "apb-figure2": ("apb", "Figure 2", 23, 12, 2),
    "dropen-table1": ("dropen", "Table 1", 3, 3, 1),
    "dropen-table2": ("dropen", "Table 2", 3, 3, 1),
}
"""By sweep what it is of: paper, table, how many numbers, in how many rows and columns.

A sweep of Dropen has one of the two columns of each of its tables.
"""


def _numbers(paper: str, name: str) -> pd.DataFrame:
    numbers = published.load(paper)
    return (
        numbers[numbers["table"].str.startswith(name.removeprefix("Table "))]
        if paper != "dropen"
        else numbers
    )


def _printed(table: pd.DataFrame, paper: str, name: str) -> published.Printed:
    (own,) = [p for p in published.printed(table) if (p.paper, p.name) == (paper, name)]
    return own


@pytest.mark.parametrize("name", SHAPES)
def test_every_number_stands_in_its_place(name: str) -> None:
    """One seed, whose noise is far below what tells neighbouring cells apart."""
    paper, table, count, lines, columns = SHAPES[name]
    numbers = _numbers(paper, table)
    if table == "Table 10":
        numbers = numbers[numbers["table"] == "10"]
    found = published.compare(records_of(name, numbers, noise=1e-6, changes={"seeds": [0]}))
    own = _printed(found, paper, table)
    assert len(own.cells) == count
    assert (len(own.lines), len(own.columns)) == (lines, columns)
    cells = {(line, column) for line, column in zip(own.cells["line"], own.cells["column"], strict=True)}
    assert len(cells) == count, "two numbers share a place"
    assert (own.cells["mean"] - own.cells["published"]).abs().max() < 1e-5
    assert (own.cells["verdict"] != WITHHELD).all(), own.cells["deviations"].iloc[0]
    if paper == "apb":
        also = _printed(found, "apb", "Figure 3a")
        assert (len(also.cells), len(also.lines), also.columns[0]) == (12, 2, "FGSM ε = 0.05")
        assert len(_printed(found, "apb", "Section 5.2").cells) == 1
    if table == "Table 3":
        assert own.columns == [
            f"{n:,} examples" for n in (100, 500, 1000, 2500, 5000, 10_000, 20_000, 40_000)
        ]
    if table == "Table 10":
        assert own.columns == [f"ε = {epsilon}" for epsilon in (0.01, 0.1, 1, 3, 5, 7, 9)]
        zero = own.cells[own.cells["line"] == "p = 0.0"]
        assert zero["sample"].nunique() == 1
        assert len(zero) == 7


def test_a_number_of_another_place_is_not_taken() -> None:
    """Where one cell's training is off, that cell alone is."""
    numbers = published.load("dropattack", "9")
    off = numbers["value"].where(numbers["targets"] != "conv6.w", 50.0)
    found = published.compare(records_of("table9", numbers.assign(value=off), changes={"seeds": [0]}))
    own = _printed(found, "dropattack", "Table 9").cells
    wrong = own[(own["mean"] - own["published"]).abs() > 0.01]
    assert list(wrong["line"]) == ["DropAttack[Conv.6.w] e=5 p=0.5"]


def _tables(records: Any) -> dict[str, Table]:
    section = papers.section(records)
    assert section is not None
    return {part.name: part for part in section.parts if isinstance(part, Table)}


def test_cells_and_rows_are_all_shown_with_the_interval_that_judges() -> None:
    records = records_of("table8", published.load("dropattack", "8"), noise=0.0005)
    tables = _tables(records)
    assert all(not table.hidden for table in tables.values())
    first = next(iter(tables.values()))
    assert first.title == "DropAttack, Table 8"
    assert len(first.visible()) == 14
    row = first.visible()[0]
    _, column = first.columns
    half = 100 * row["mnist-lenet5: half"]
    mean, verdict = 100 * row["mnist-lenet5: mean"], row["mnist-lenet5: verdict"]
    assert column.text(row) == f"98.95 | {mean:.2f} ± {half:.2f} (5) | {verdict}"
    assert "50,000 examples" in first.caption


def test_what_deviates_withholds_the_verdict_and_is_listed() -> None:
    """Random vectors of 8, a width of 8 and one epoch are no reproduction, however near the numbers are."""
    changes = SMALL | {"training.train_size": 500, "training.optimizer": "sgd", "training.balanced": True}
    numbers = published.load("dropattack", "5")
    section = papers.section(records_of("table5", numbers, noise=0.001, changes=changes | {"seeds": [0, 1]}))
    assert section is not None
    assert section.title == "The papers side by side, in small"
    tables = {part.name: part.frame for part in section.parts if isinstance(part, Table)}
    assert set(tables["papers"]["verdict"]) == {WITHHELD}
    assert set(tables["papers"]["gain_verdict"].dropna()) == {WITHHELD}
    listed = tables["deviations"].set_index("about")
    told = {about: (row["stated"], row["here"]) for about, row in listed.iterrows()}
    assert told["training examples"] == ("40,000", "500")
    assert told["word vectors"] == ("glove.6B.300d.txt", "none")
    assert told["hidden width"] == ("300", "8")
    assert told["epochs"] == ("10", "1")
    assert told["optimizer"] == ("adam", "sgd")
    assert "class balance: equally many of each" in told
    assert any("epochs 1 (paper: 10)" in finding for finding in section.findings)


@pytest.mark.parametrize("name", ["table3", "dropen-table1", "apb-figure2"])
def test_a_quick_scale_has_the_section_too(name: str) -> None:
    paper, table, *_ = SHAPES[name]
    records = records_of(name, _numbers(paper, table), noise=0.001, scale="quick", changes={"seeds": [0, 1]})
    section = papers.section(records)
    assert section is not None
    assert section.title.endswith("in small")


def test_a_part_of_the_data_is_a_deviation() -> None:
    records = records_of("table8", published.load("dropattack", "8"), changes={"seeds": [0]})
    line = "mnist-lenet5 trains on a part of its dataset: 400 of the 70,000 published examples"
    object.__setattr__(records, "incomplete", [line])
    table = published.compare(records)
    assert set(table["verdict"]) == {WITHHELD}
    assert {d.here for own in table["deviations"] for d in own} >= {"400 of the 70,000 published examples"}


def test_of_several_settings_the_one_nearest_to_the_papers_counts() -> None:
    """A sweep of two widths is compared by the paper's."""
    numbers = published.load("dropattack", "9")
    records = records_of("table9", numbers, changes={"seeds": [0], "model.hidden": [128, 4096]})
    table = _printed(published.compare(records), "dropattack", "Table 9").cells
    assert all(own == () for own in table["deviations"])


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("table9", "model.channels", 16),
        ("table5", "grouping", "joint"),
        ("table5", "text_input", "tokens"),
        ("table8", "training.warmup", 0.1),
        ("dropen-table1", "compare", "masks"),
        ("dropen-table1", "smoothness", 0.19),
        ("dropen-table2", "final_epsilon", 0.4),
        ("apb-figure2", "model.dropout", 0.5),
    ],
)
def test_a_width_or_setting_of_the_method_that_is_not_the_papers_withholds(
    name: str, setting: str, value: Any
) -> None:
    paper, table, *_ = SHAPES[name]
    records = records_of(name, _numbers(paper, table), changes={"seeds": [0]})
    has_it = records.trials[setting].notna()
    column = records.trials[setting].astype(object).mask(has_it, value)
    other = replace(records, trials=records.trials.assign(**{setting: column}))
    methods = set(records.trials["method"][has_it]) - {"standard"}
    cells = _printed(published.compare(other), paper, table).cells
    told = cells[cells["configuration"].str.split().str[0].isin(methods)]
    assert len(told)
    assert set(told["verdict"]) == {WITHHELD}


@pytest.mark.parametrize(
    ("name", "row", "best"),
    [("table3", "Standard Training", 88.86), ("dropen-table1", "Direct Training", 62.90)],
)
def test_a_baseline_is_told_from_the_papers_own_method(name: str, row: str, best: float) -> None:
    """Its number alone agrees with any interval that is wide enough, and says nothing."""
    paper, table, *_ = SHAPES[name]
    records = records_of(name, _numbers(paper, table), changes={"seeds": [0]})
    own = [cell for cell in matched(records)[1] if cell.row["paper"] == paper and cell.row["row"] == row]
    assert own
    assert all(cell.beside[1] == cell.beside[1] for cell in own)
    assert best / 100 in [pytest.approx(cell.beside[1]) for cell in own]


def test_of_the_settings_of_a_method_the_papers_own_counts() -> None:
    """Dropen ran with a similarity of 10 to earlier batches: other weights and masks are no runs of it."""
    records = records_of("dropen-weights", published.load("dropen"), changes={"seeds": [0, 1, 2]})
    cells = published.compare(records).query("row == 'TRS Training'")
    assert len(cells) == 2
    for sample in cells["sample"]:
        own = {run.partition(":")[0] for run in sample.split()}
        trials = records.trials[records.trials["configuration_id"].isin(own)]
        settings = trials[["compare", "cosine", "memory", "smoothness"]].drop_duplicates()
        assert settings.to_numpy().tolist() == [["batches", 10, 5, 0.019]]


def test_contradictions_have_the_numbers_that_are_printed() -> None:
    records = records_of("table8", published.load("dropattack", "8"), changes={"seeds": [0]})
    shown = _tables(records)["contradictions"]
    cells = {column.text(row) for row in shown.visible() for column in shown.columns}
    assert {"0.001", "0.01", "90.20", "81.31"} <= cells
    assert "0.00" not in cells
