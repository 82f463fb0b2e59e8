"""What a run says: at once what it does, what a plan says too, and at its end what it did."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console

from search.console.presentation import show_outcome
from search.engine.plan import plan_sweep
from search.records.store import Store
from search.results.outcome import Outcome
from search.service import run_sweep
from tests.search.simulation import sweep

Command = Callable[..., Result]
SEARCH = {
    "name": "search",
    "search": {"kind": "random", "trials": 12, "patience": 2},
    "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}},
}
CONFIRM = {"name": "confirm", "search": {"kind": "confirm", "top": 9, "seeds": [7]}}


pytestmark = pytest.mark.usefixtures("without_ray")


def _run(folder: Path, **changes: Any) -> tuple[Outcome, str]:
    """A run, and what it printed with its end."""
    text, definition = io.StringIO(), sweep(**changes)
    console = Console(file=text, width=300)
    outcome = run_sweep(definition, Store(folder / "runs"), folder, console)
    show_outcome(console, definition, outcome, folder / "runs", "", "dropattack run small.yaml")
    return outcome, text.getvalue()


def test_it_says_what_it_does_before_it_does_it(tmp_path: Path) -> None:
    _, said = _run(tmp_path)
    places = [said.index(line) for line in ("starting Ray…\n", "training: 0/28\n", "writing the report…\n")]
    assert places == sorted(places)
    assert said.index("28 trials: ") > places[-1]


def test_it_prints_the_remarks_that_a_plan_prints(tmp_path: Path) -> None:
    changes = {"training": {"optimizer": "sgd", "epochs": 9}}
    remarks = plan_sweep(sweep(**changes), Store(tmp_path / "runs"), tmp_path).remarks
    assert len(remarks) == 2, "sums of gradients under SGD, and a short last batch"
    _, said = _run(tmp_path, **changes)
    first, second, third, *_ = said.splitlines()
    assert [first, second] == list(remarks)
    assert third == "starting Ray…"
    _, again = _run(tmp_path, **changes)
    assert not any(remark in again for remark in remarks), "nothing is trained that they are about"


def test_a_run_that_trained_nothing_says_so(tmp_path: Path) -> None:
    first, said = _run(tmp_path)
    assert first.trained == len({record.key for record in first.records if not record.reused_from})
    assert "nothing was left to train" not in said
    again, said = _run(tmp_path)
    assert again.trained == 0
    line = next(line for line in said.splitlines() if line.startswith("28 trials: "))
    assert line.endswith(" · nothing was left to train")
    more, said = _run(tmp_path, seeds=[0, 1, 2])
    assert 0 < more.trained < len(more.records)
    assert "nothing was left to train" not in said


def test_what_another_sweep_trained_is_not_trained(tmp_path: Path) -> None:
    grid = [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}}}]
    _run(tmp_path, stages=grid)
    outcome, said = _run(tmp_path, stages=grid, name="other")
    assert outcome.trained == 0
    assert "nothing was left to train" in said


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, "finished"),
        ({"stages": [SEARCH]}, "finished"),
        (
            {"stages": [SEARCH, {"name": "confirm", "search": {"kind": "confirm", "top": 9, "seeds": [7]}}]},
            "finished",
        ),
        ({"limits": {"trials": 5}}, "stopped"),
    ],
)
def test_a_sweep_that_came_to_its_end_is_finished(
    command: Command, tmp_path: Path, changes: dict[str, Any], standing: str
) -> None:
    """Also one that patience ended early, and one with fewer candidates than its confirmation wanted."""
    _run(tmp_path, **changes)
    assert json.loads(command("status", "small", "--json").stdout)["standing"] == standing
