"""What is recommended has one name everywhere, in the words of the sweep, and trains the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dropattack import UsageError
from search import Result
from search.definition.sweepfile import parse_sweep
from search.records.record import Record
from search.records.store import Store
from search.results import usable
from tests.search.results.test_usable import Command, command, recorded
from tests.search.simulation import Driver, engine, sweep

__all__ = ["command"]

INPUT = {"targets": "input", "p": 1.0, "norm": "sample"}
"""With these DropAttack is FGM, and both have one key."""
FGM = {"name": "others", "methods": {"fgm": {}}}
SAME = {"methods": {"dropattack": {**INPUT, "epsilon": 1.0}}}
PLAIN = {"name": "plain", "methods": {"standard": {}}}
CONTROL = {"name": "grid", "methods": {"dropattack": {"epsilon": 2.0, "control": ["none", "equal-passes"]}}}
Wins = Callable[[Record], bool]


def _attack(record: Record) -> bool:
    return record.trial.method != "standard" and not record.identity.control


CASES: dict[str, tuple[list[dict[str, Any]], Wins, dict[str, Any]]] = {
    "asked for as FGM alone": ([PLAIN, FGM], _attack, {"fgm": {"epsilon": 1.0}}),
    "trained as FGM, and asked for as DropAttack too": (
        [PLAIN, FGM, {"name": "layers", **SAME}],
        _attack,
        {"fgm": {"epsilon": 1.0}},
    ),
    "trained as DropAttack, and asked for as FGM too": (
        [PLAIN, {"name": "zones", **SAME}, FGM],
        _attack,
        {"dropattack": {**INPUT, "epsilon": 1.0, "k": 1}},
    ),
    "plain training": ([PLAIN, FGM], lambda record: not _attack(record), {"standard": {}}),
    "a control that is plain training": (
        [PLAIN, CONTROL],
        lambda record: record.identity.control == "equal-passes",
        {"standard": {"rounds": 2.0}},
    ),
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_winner_has_one_name(
    case: str, known: bool, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In JSON, YAML, Python and the verdict; also where nobody gave the workload's code."""
    stages, wins, named = CASES[case]
    definition = sweep(stages=stages, seeds=[0, 1, 2, 3, 4])
    records = recorded(Store(tmp_path / "runs"), definition, wins, monkeypatch)
    won = {record.key for record in records if wins(record)}
    if not known:
        monkeypatch.setattr(usable, "default_options", _unknown)
    (found,) = json.loads(command("best", "small", "--json").stdout)
    (stage,) = yaml.safe_load(command("best", "small", "--yaml").stdout)["stages"]
    assert found["methods"] == stage["methods"] == named
    best = Result.load("small", tmp_path / "runs").best
    ((method, values),) = named.items()
    assert best.method == method
    assert {**best.hyperparameters, **values} == best.hyperparameters
    use = found["use"]
    if method == "standard":
        assert use["name"].startswith("plain training")
    else:
        assert use["name"].startswith(f"{method} ")
        assert use["family"] == method
    tested = engine(tmp_path / "again", parse_sweep({**best.trains.model_dump(mode="json"), "name": "again"}))
    Driver(tested).run()
    assert {record.key for record in tested.records} == won


def _unknown(name: str) -> None:
    raise UsageError(f"workload {name!r} is code")
