"""Arms confirmed: whom the engine sends to fresh seeds, driven without Ray."""

from pathlib import Path
from typing import Any

import pytest

from analysis.questions.contest import contests
from dropattack import UsageError
from search.engine.compatibility import check_extends
from search.records.record import Record
from search.results.frames import records_for_analysis
from search.tracking.shown import ShownRuns
from tests.search.simulation import Driver, KilledError, engine, sweep
from trainables.trial import Trial

_STAGES: list[dict[str, Any]] = [
    {"name": "plain", "training": {"learning_rate": [0.001, 0.01]}, "methods": {"standard": {}}},
    {"name": "sam", "methods": {"sam": {"rho": [0.05, 0.5]}}},
    {"name": "input", "methods": {"dropattack": {"targets": "input", "epsilon": [0.9, 5.0]}}},
    {
        "name": "layers",
        "search": {"kind": "optuna", "trials": 4, "seeds": 2, "race": True},
        "budget": "passes",
        "methods": {"dropattack": {"targets": ["conv1.w", "fc1.w"], "epsilon": {"low": 4, "high": 9}}},
    },
]


def _stages(**changes: Any) -> list[dict[str, Any]]:
    search = {"kind": "confirm", "arms": ["input", "layers"], "controls": ["eps-zero"], "seeds": [7, 8, 9]}
    return [*_STAGES, {"name": "confirm", "search": search | changes}]


def _of_layers(trial: Trial) -> bool:
    return trial.method == "dropattack" and trial.hyperparameters["targets"] != "input"


def _definition(**changes: Any) -> Any:
    return sweep(stages=_stages(**changes), training={"epochs": 4, "test": False})


def _run(folder: Path) -> list[Record]:
    driver = Driver(engine(folder, _definition()))
    driver.run()
    return list(driver.engine.records)


def test_each_arm_is_confirmed_once_and_controls_are_of_the_best_in_question(tmp_path: Path) -> None:
    """By the made-up trainer ε = 0.9 is better than all from 4 on, so that ``input`` is in question."""
    records = _run(tmp_path)
    fresh = [r for r in records if r.stage == "confirm"]
    assert {r.trial.seed for r in fresh} == {7, 8, 9}
    assert len(fresh) == 3 * (4 + 1)
    at = [r.trial for r in fresh if r.trial.seed == 7]
    assert [t.method for t in at] == ["standard", "sam", "dropattack", "dropattack", "dropattack"]
    (control,) = [t for t in at if t.hyperparameters.get("control") == "eps-zero"]
    assert (control.hyperparameters["targets"], control.hyperparameters["epsilon"]) == ("input", 0.9)


def test_arms_train_as_they_were_searched_and_are_tested_though_their_search_was_not(tmp_path: Path) -> None:
    records = _run(tmp_path)
    searched = [r.trial for r in records if r.stage != "confirm"]
    fresh = [r.trial for r in records if r.stage == "confirm"]
    assert {t.training["test"] for t in searched} == {False}
    assert {t.training["test"] for t in fresh} == {True}
    assert {t.identity.configuration for t in fresh if not t.settings.control_experiment} <= {
        t.identity.configuration for t in searched
    }
    (layers,) = {t.hyperparameters["targets"]: t for t in fresh if _of_layers(t)}.values()
    assert layers.training["epochs"] == 2, "four passes of two an epoch"


def test_the_report_lets_those_meet_whom_the_engine_confirmed(tmp_path: Path) -> None:
    records = _run(tmp_path)
    tables = records_for_analysis(_definition(), records, ShownRuns(), {})
    (met,) = contests(tables).values()
    fresh = {r.identity.configuration for r in records if r.stage == "confirm"}
    assert {entrant.identity for entrant in met.entrants} <= fresh
    assert all(entrant.n == 3 for entrant in met.entrants)
    assert met.contender.arm == "input"
    assert [control.arm for control in met.controls] == ["eps-zero"]


@pytest.mark.parametrize("epochs", [3, 40, 75])
def test_a_killed_contest_goes_on_as_the_undisturbed_one(tmp_path: Path, epochs: int) -> None:
    whole = [(r.stage, r.key) for r in _run(tmp_path / "whole")]
    with pytest.raises(KilledError):
        Driver(engine(tmp_path / "killed", _definition())).run(epochs)
    assert [(r.stage, r.key) for r in _run(tmp_path / "killed")] == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ["inputs"]}, "stage in arms"),
        ({"arms": ["confirm"]}, "stage in arms"),
        ({"arms": ["input", "input"]}, "names a stage twice"),
        ({"arms": ["plain", "sam", "input", "layers"]}, "nothing is left"),
        ({"top": 2}, "each arm confirms one configuration"),
        ({"margin": 0}, "greater than 0"),
        ({"arms": ["sam"], "controls": ["p-one"]}, "sam has no control p-one"),
    ],
)
def test_what_cannot_meet_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _definition(**changes)


def test_other_arms_under_the_same_name_are_refused() -> None:
    with pytest.raises(UsageError, match="the arms of stage 'confirm'"):
        check_extends(_definition(), _definition(arms=["input"]))
    check_extends(_definition(), _definition(seeds=[7, 8, 9, 10]))


def test_a_confirmation_runs_the_controls_of_those_that_have_them(tmp_path: Path) -> None:
    """SAM has no mask that could be left out."""
    search = {"name": "grid", "methods": {"dropattack": {"epsilon": 1.0}, "sam": {}}}
    confirm = {"kind": "confirm", "top": 2, "seeds": [7], "controls": ["eps-zero", "p-one"]}
    driver = Driver(engine(tmp_path, sweep(stages=[search, {"name": "confirm", "search": confirm}])))
    driver.run()
    records = driver.engine.records
    fresh = [(r.trial.method, r.identity.control) for r in records if r.stage == "confirm"]
    controls = [("dropattack", "eps-zero"), ("dropattack", "p-one")]
    assert sorted(fresh) == sorted([("standard", ""), ("sam", ""), ("dropattack", ""), *controls])
    of_sam = [{"name": "grid", "methods": {"sam": {}}}, {"name": "confirm", "search": confirm}]
    with pytest.raises(UsageError, match="sam has no control eps-zero; leave it out"):
        sweep(stages=of_sam)


def test_an_arm_does_not_win_by_attacking_nothing(tmp_path: Path) -> None:
    """At p = 0 it is plain training under its own recipe: a control, for the engine and the report alike."""
    attack = {"targets": "input", "epsilon": 9.0, "p": [0.0, 1.0]}
    stages = [
        {"name": "plain", "methods": {"standard": {}}},
        {"name": "input", "methods": {"dropattack": attack}},
        {"name": "confirm", "search": {"kind": "confirm", "arms": ["input"], "seeds": [7, 8, 9]}},
    ]
    definition = sweep(stages=stages)
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    searched = [r for r in driver.engine.records if r.stage == "input" and r.trial.seed == 0]
    found = {r.trial.hyperparameters["p"]: r.value(definition.select) or 0.0 for r in searched}
    assert found[0.0] > found[1.0], "what attacks nothing is better by validation"
    (met,) = contests(records_for_analysis(definition, driver.engine.records, ShownRuns(), {})).values()
    assert (met.contender.arm, met.contender.n, met.rival.n) == ("input", 3, 3)
    assert "p\N{NO-BREAK SPACE}1 " in met.contender.configuration
