"""The notebooks: their cells run one after the other in an empty folder, and hold no results."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.docs.walk import here

NOTEBOOKS = sorted(ROOT.glob("docs/examples/*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of code."""
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def run(path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells(path)):
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    return names


def answers(names: dict[str, Any]) -> None:
    result, verdict = names["result"], names["verdict"]
    assert not result.failed
    assert verdict.lines()[0].startswith("At equal cost")
    assert Path("report.html").stat().st_size > 10_000
    assert names["accuracy"] == pytest.approx(names["saved"].test["test_accuracy"])
    assert names["accuracy"] > 0.5


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path: Path, tmp_path: Path) -> None:
    with here(tmp_path):
        answers(run(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_results(path: Path) -> None:
    """They would name a machine's folders, and go out of date."""
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(path))
    assert NOTEBOOKS
