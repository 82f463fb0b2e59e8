"""What `dropattack best` prints trains what was recommended, and nothing else."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from analysis.questions.verdict import verdicts
from analysis.records import Records
from search import Result as Script
from search.cli import app
from search.definition.overriding import parse_override
from search.definition.searches import Confirm
from search.definition.sweep import Sweep
from search.definition.sweepfile import load_sweep, parse_sweep
from search.records.record import Record
from search.records.store import Store
from tests.analysis.ways import way
from tests.search import trained
from tests.search.simulation import Driver, engine, sweep

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return lambda *words: CliRunner().invoke(app, [*words, "--store", str(tmp_path / "runs")])


Wins = Callable[[Record], bool]


def recorded(store: Store, definition: Sweep, wins: Wins, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """A simulated sweep of which some trials are made to win by twenty points."""
    store.define(definition)
    tested = engine(store.folder(definition.name), definition)
    Driver(tested, slots=2).run()
    for record in tested.records:
        luck = int(record.key[:4], 16) / 16**4 / 100
        for metrics in record.epochs:
            level = 0.7 + 0.2 * wins(record) + luck
            metrics["valid_accuracy"] = metrics["test_accuracy"] = level
    records = list(tested.records)
    monkeypatch.setattr(Store, "journal", lambda *_, **__: SimpleNamespace(records=records))
    return records


METHODS: dict[str, Any] = {
    "dropattack": {"epsilon": [0.5, 2.0], "p": 0.3, "control": ["none", "equal-passes"], "norm": "joint"},
    "sam": {"rho": [0.01, 0.1]},
    "standard": {},
}


def _candidate(record: Record) -> bool:
    return not record.identity.control


WINNERS: dict[str, Wins] = {
    "plain training": lambda record: _candidate(record) and record.trial.method == "standard",
    "an attack": lambda record: _candidate(record) and record.trial.hyperparameters.get("epsilon") == 2.0,
    "another method": lambda record: record.trial.hyperparameters.get("rho") == 0.1,
    "a control": lambda record: record.identity.control == "equal-passes",
}


@pytest.mark.parametrize("winner", WINNERS)
@pytest.mark.parametrize("training", [{}, {"epochs": 4, "learning_rate": 0.01}])
def test_what_is_printed_trains_what_won(
    winner: str, training: dict[str, Any], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 9, **training}
    stages = [{"name": "grid", "methods": METHODS}]
    definition = sweep(stages=stages, seeds=[0, 1, 2, 3, 4], training=settings)
    records = recorded(Store(tmp_path / "runs"), definition, WINNERS[winner], monkeypatch)
    won = {record.key for record in records if WINNERS[winner](record)}
    said = command("best", "small", "--yaml")
    assert said.exit_code == 0, said.output
    (tmp_path / "again.yaml").write_text(said.stdout)
    again = load_sweep(str(tmp_path / "again.yaml"))
    tested = engine(tmp_path / "again", again)
    Driver(tested).run()
    assert {record.key for record in tested.records} == won
    (found,) = json.loads(command("best", "small", "--json").stdout)
    assert found["key"] in won
    assert found["model"] is None
    settings = {name: found[name] for name in ("methods", "training") if name in found}
    pasted = {"name": "x", "workload": found["workload"], "stages": [{"name": "a", **settings}]}
    assert parse_sweep(pasted).stages[0].methods.keys() == found["methods"].keys()


def test_programs_get_the_contest_of_arms(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, as Python's verdict has it; the settings of a model do not stand in its file's place."""
    stages: list[dict[str, Any]] = [
        {"name": "plain", "methods": {"standard": {}}},
        {"name": "attack", "methods": {"dropattack": {"epsilon": 2.0}}},
        {"name": "meet", "search": {"kind": "confirm", "arms": ["attack"], "seeds": [7, 8, 9]}},
    ]
    definition = sweep(stages=stages, seeds=[0, 1], model={"hidden1": 32})
    recorded(Store(tmp_path / "runs"), definition, lambda r: r.trial.method == "dropattack", monkeypatch)
    (found,) = json.loads(command("best", "small", "--json").stdout)
    contest = found["contest"]
    assert (contest["contender"], contest["rival"], contest["outcome"]) == ("attack", "plain", "helps")
    assert (contest["n"], contest["over_arms"].keys()) == (3, {"plain"})
    assert contest["gain"] == pytest.approx(0.2, abs=0.015)
    assert contest == Script.load("small", tmp_path / "runs").verdict.to_dict()["contest"]
    assert found["model"] is None
    assert found["stage"]["model"] == {"hidden1": 32}
    assert found["stage"]["methods"] == found["methods"]


def test_workloads_have_a_stage_each(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is best with the attack, the other without."""
    definition = sweep(
        stages=[{"name": "grid", "methods": {"dropattack": {"epsilon": 2.0}, "standard": {}}}],
        workloads=["digits-lenet5", "mnist-lenet5"],
        seeds=[0, 1, 2, 3, 4],
    )
    store = Store(tmp_path / "runs")
    plain = {"mnist-lenet5": "standard", "digits-lenet5": "dropattack"}
    recorded(store, definition, lambda r: r.trial.method == plain[r.trial.workload], monkeypatch)
    stages = yaml.safe_load(command("best", "small", "--yaml").stdout)["stages"]
    assert [(s["workloads"], list(s["methods"])) for s in stages] == [
        (["digits-lenet5"], ["dropattack"]),
        (["mnist-lenet5"], ["standard"]),
    ]


def test_people_see_why_and_where_the_model_is(tmp_path: Path, command: Command) -> None:
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    tested = trained.run(definition, store)
    said = command("best", "attacked").stdout.splitlines()
    assert said[0].startswith("Use plain training, 1 pass a step: nothing is shown to be better")
    plain = [record for record in tested.records if record.trial.method == "standard"]
    best = max(plain, key=lambda record: record.value(definition.select) or 0)
    assert f"model: {store.model('attacked', best)} (seed {best.trial.seed}, key {best.key})" in said


@pytest.mark.parametrize("form", [[], ["--yaml"], ["--json"]])
def test_nothing_complete_is_said_in_a_line(form: list[str], tmp_path: Path, command: Command) -> None:
    store = Store(tmp_path / "runs")
    store.define(sweep())
    store.journal_path("small").touch()
    said = command("best", "small", *form)
    assert said.exit_code == 2
    assert "has no complete trial yet" in said.output
    assert said.stdout == ""


@pytest.mark.parametrize(
    ("controls", "path"),
    [([], "stages.confirm.search.controls"), (["equal-passes"], "stages.confirm.search.seeds")],
)
def test_the_command_that_comes_next_is_one_that_the_sweep_takes(controls: list[str], path: str) -> None:
    """Undecided on three fresh seeds, with and without training of equal cost beside it."""
    definition = load_sweep("demo", {"stages.confirm.search.controls": controls})
    fresh = {100: 0.90, 101: 0.92, 102: 0.91}
    frames = [way("baseline", {0: 0.9, 1: 0.91}), way("attack", {0: 0.93, 1: 0.94})]
    frames += [way(name, fresh, stage="confirm") for name in ["baseline", *controls]]
    frames.append(way("attack", {100: 0.93, 101: 0.915, 102: 0.92}, stage="confirm"))
    told = Records(pd.concat(frames), sweep=definition.model_dump(mode="json"))
    (found,) = verdicts(told)
    *typed, override = shlex.split(found.next.command)
    assert typed == ["dropattack", "run", "demo", "--set"]
    name, value = parse_override(override)
    assert name == path
    confirm = load_sweep("demo", {name: value}).stages[-1].search
    assert isinstance(confirm, Confirm)
    assert confirm.controls == ("equal-passes",)
    assert len(confirm.seeds) == (found.next.seeds or 3)
    assert set(fresh) <= set(confirm.seeds)
