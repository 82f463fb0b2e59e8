"""The notebooks: their cells run one after the other in an empty folder, and hold no results."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from search import service
from search.engine.engine import Engine
from search.execution import tuning
from tests.docs.pages import ROOT
from trainables.disk import model_path
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.workloads import _imported, workload_named

NOTEBOOKS = sorted(ROOT.glob("docs/examples/*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of code."""
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def train_here(engine: Engine, folder: Path, data: Path, verbose: bool) -> None:
    """Trains in this process, one trial after the other, as Ray's do."""
    while (record := engine.next()) is not None:
        training = Training(record.trial, workload_named(record.trial.workload).load(data, record.trial.data))
        while engine.report(record.key, training.epoch()):
            pass
        if training.finished:
            save_atomically(training.result(), model_path(folder, record.key))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    before, threads = set(sys.modules), torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]
    _imported.cache_clear()


def run(path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells(path)):
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
    return names


def answers(names: dict[str, Any]) -> None:
    outcome, verdict = names["outcome"], names["verdict"]
    assert outcome.done
    assert not outcome.failed
    assert verdict["equal_cost"] is not None
    assert verdict["use"] is not None
    assert names["accuracy"] == pytest.approx(names["saved"].test["test_accuracy"])
    assert names["accuracy"] > 0.5


@pytest.mark.heavy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_its_first_cell_to_its_last(
    path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_connect", lambda *_: None)
    monkeypatch.setattr(tuning, "run", train_here)
    answers(run(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_results(path: Path) -> None:
    """They would name a machine's folders, and go out of date."""
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(path))
    assert NOTEBOOKS
