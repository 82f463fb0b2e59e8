"""Searches with several aims: killed ones go on as they would have, and samplers learn as in Optuna."""

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from analysis.pareto import dominates
from dropattack import UsageError
from search.definition.sweep import Sweep
from search.engine.compatibility import check_extends
from search.records.journal import Journal
from search.records.record import Record, State
from search.results.best import best_by_workload
from tests.search import simulation
from tests.search.simulation import Driver, KilledError, engine, sweep, table

SELECT = {"metrics": ["accuracy", "loss", "passes"], "constraints": ["accuracy >= 0.5"]}
SPACE = {"epsilon": {"low": 0.01, "high": 10, "log": True}, "p": {"low": 0.1, "high": 1.0}, "k": [1, 2, 4]}
SAMPLERS = [
    pytest.param({"kind": "tpe", "n_startup_trials": 4}, True, 9, (0, 1, 7, 3), id="tpe-asha"),
    pytest.param({"kind": "nsga2", "population_size": 4}, True, 14, (0, 1, 7, 5, 2), id="nsga2-asha"),
    pytest.param({"kind": "nsga2", "population_size": 4}, False, 14, (3, 4), id="nsga2"),
    pytest.param({"kind": "gp", "n_startup_trials": 4}, False, 6, (5,), id="gp", marks=pytest.mark.slow),
]
"""Samplers that learn, whether rungs stop trials, how many trials, and the epochs between kills."""


def _sweep(sampler: dict[str, Any], trials: int, epochs: int = 1, **changes: Any) -> Sweep:
    search = {"kind": "optuna", "trials": trials, "sampler": sampler, **changes.pop("search", {})}
    stage = {"name": "search", "search": search, "methods": {"dropattack": SPACE}, **changes.pop("stage", {})}
    stages = [stage, *changes.pop("stages", ())]
    return sweep(**{"stages": stages, "training": {"epochs": epochs}, "select": SELECT, **changes})


def _aims(epsilon: float, p: float, epoch: int = 1) -> tuple[float, float]:
    """Accuracy is best at epsilon = 1, the loss at epsilon = 0.1; both at p = 0.4 and late."""
    far = (p - 0.4) ** 2 + 0.1 / epoch
    return 1 - 0.1 * math.log10(epsilon) ** 2 - far, (math.log10(epsilon) + 1) ** 2 + far


@pytest.fixture(autouse=True)
def _valley(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(record: Record, epoch: int) -> dict[str, float]:
        chosen = {"epsilon": 10, "p": 1.0, **record.trial.hyperparameters}
        accuracy, loss = _aims(chosen["epsilon"], chosen["p"], epoch)
        shift = 0.001 * record.trial.seed
        return {"epoch": epoch, "valid_accuracy": accuracy + shift, "valid_loss": loss, "seconds": 0.5}

    monkeypatch.setattr(simulation, "train", train)


def _run(folder: Path, definition: Sweep, kills: tuple[int, ...] = (), slots: int = 1) -> Driver:
    for epochs in kills:
        with pytest.raises(KilledError):
            Driver(engine(folder, definition), slots).run(epochs)
    driver = Driver(engine(folder, definition), slots)
    driver.run()
    return driver


@pytest.mark.parametrize(("sampler", "asha", "trials", "kills"), SAMPLERS)
def test_killed_and_run_again_equals_undisturbed(
    tmp_path: Path, sampler: dict[str, Any], asha: bool, trials: int, kills: tuple[int, ...]
) -> None:
    """With rungs that stop what is dominated, and excluded draws."""
    stage = {"exclude": [{"k": 2}], **({"scheduler": "asha"} if asha else {})}
    select = {"metrics": ["accuracy", "loss"], "constraints": ["accuracy >= 0.5"]}
    definition = _sweep(sampler, trials, 3 if asha else 1, stage=stage, select=select)
    whole = _run(tmp_path / "whole", definition)
    killed = _run(tmp_path / "killed", definition, kills)
    assert table(killed.engine.records) == table(whole.engine.records)
    drawn = [r.trial.hyperparameters for r in whole.engine.records]
    assert drawn == [r.trial.hyperparameters for r in killed.engine.records]
    assert all(each["k"] != 2 for each in drawn)
    if asha:
        assert {record.state for record in whole.engine.records} == {State.COMPLETE, State.PRUNED}


def test_side_by_side_every_value_is_its_keys(tmp_path: Path) -> None:
    definition = _sweep({"kind": "nsga2", "population_size": 4}, 16, 3, stage={"scheduler": "asha"})
    records = _run(tmp_path, definition, (4, 6), slots=4).engine.records
    assert len(records) == 16
    for record in records:
        accuracy, loss = _aims(
            *(record.trial.hyperparameters[n] for n in ("epsilon", "p")), len(record.epochs)
        )
        passes = len(record.epochs) * (record.trial.hyperparameters["k"] + 1)
        assert record.aims(definition.select) == {"accuracy": accuracy, "loss": loss, "passes": passes}


def _study(driver: Driver) -> optuna.Study:
    (part, *_) = driver.engine._parts
    found: optuna.Study = part.proposer._drawing.study  # type: ignore[attr-defined]  # the mirror
    return found


def test_the_sampler_is_told_every_aim_and_finds_the_front_that_optuna_finds(tmp_path: Path) -> None:
    definition = _sweep({"kind": "tpe", "n_startup_trials": 4}, 16)
    driver = _run(tmp_path, definition, (9,))
    study, records = _study(driver), driver.engine.records
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    told = [trial.values for trial in study.trials]
    assert told == [list(record.aims(definition.select).values()) for record in records]
    points = [definition.select.rule.point(record.aims(definition.select)) for record in records]
    front = [i for i, own in enumerate(points) if own and not any(o and dominates(o, own) for o in points)]
    assert front == [trial.number for trial in study.best_trials]
    stored = Journal(tmp_path / "journal.log", definition.select, writable=False).records
    assert [r.aims(definition.select) for r in stored] == [r.aims(definition.select) for r in records]


def test_what_rungs_stopped_is_told_as_stopped_without_values(tmp_path: Path) -> None:
    """So TPE counts it among the bad, and NSGA-II and GP leave it out."""
    definition = _sweep({"kind": "tpe", "n_startup_trials": 4}, 14, 3, stage={"scheduler": "asha"})
    driver = _run(tmp_path, definition, (11,))
    stopped = [record.state is State.PRUNED for record in driver.engine.records]
    trials = _study(driver).trials
    assert [trial.state is optuna.trial.TrialState.PRUNED for trial in trials] == stopped
    assert [trial.values is None for trial in trials] == stopped
    assert any(stopped)


def test_other_tools_read_the_journal_as_a_study_of_several_objectives(tmp_path: Path) -> None:
    definition = _sweep({"kind": "random"}, 9, 3, stage={"scheduler": "asha"})
    records = _run(tmp_path, definition).engine.records
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert [t.values for t in study.trials] == [list(r.aims(definition.select).values()) for r in records]


def test_generations_follow_each_other_as_in_optuna_run_alone(tmp_path: Path) -> None:
    key = "NSGAIISampler:generation"
    alone = optuna.samplers.NSGAIISampler(population_size=4, seed=1)
    plain = optuna.create_study(directions=["maximize", "minimize"], sampler=alone)
    for _ in range(16):
        trial = plain.ask()
        epsilon, p = trial.suggest_float("epsilon", 0.01, 10, log=True), trial.suggest_float("p", 0.1, 1.0)
        plain.tell(trial, _aims(epsilon, p))
    select = {"metrics": ["accuracy", "loss"], "weights": {"accuracy": 1, "loss": 1}}
    driver = _run(tmp_path, _sweep({"kind": "nsga2", "population_size": 4}, 16, select=select), (6,))
    ours, theirs = ([t.system_attrs[key] for t in each.trials] for each in (_study(driver), plain))
    assert ours == theirs
    assert max(ours) > 2


def test_means_over_seeds_are_told_and_patience_ends_where_the_front_stands_still(tmp_path: Path) -> None:
    select = {"metrics": ["accuracy", "loss"], "weights": {"accuracy": 1, "loss": 1}}
    search = {"seeds": 2, "patience": 3}
    definition = _sweep({"kind": "random"}, 30, select=select, search=search, seeds=[0, 4])
    records = _run(tmp_path, definition, (5, 4)).engine.records
    points = []
    for record in records[::2]:
        accuracy, loss = _aims(*(record.trial.hyperparameters[name] for name in ("epsilon", "p")))
        points.append((accuracy + 0.002, -loss))
    told = [trial.values for trial in _study(_run(tmp_path, definition)).trials]
    assert told == [pytest.approx([accuracy, -loss]) for accuracy, loss in points]
    new = [not any(dominates(other, own) for other in points[:i]) for i, own in enumerate(points)]
    assert len(points) < 30
    assert new[-4:] == [True, False, False, False]
    assert "".join(" *"[each] for each in new).find("*   ") == len(new) - 4, "no earlier stand of three draws"


@pytest.mark.parametrize(
    ("rule", "least", "by"),
    [
        ({"constraints": ["accuracy >= 0.1"]}, 0.1, ("loss", -1)),
        ({"constraints": ["accuracy >= 0.85"]}, 0.85, ("loss", -1)),
        ({"weights": {"accuracy": 1, "loss": 0, "passes": 0}}, 0.0, ("accuracy", 1)),
    ],
    ids=["loose", "tight", "weights"],
)
def test_a_confirmation_takes_the_best_by_the_rule(
    tmp_path: Path, rule: dict[str, Any], least: float, by: tuple[str, int]
) -> None:
    confirm = {"name": "confirm", "search": {"kind": "confirm", "top": 1, "seeds": [7]}}
    select = {"metrics": SELECT["metrics"], **rule}
    definition = _sweep({"kind": "random"}, 15, stages=[confirm], select=select)
    records = _run(tmp_path, definition).engine.records
    searched = [record for record in records if record.stage == "search"]
    values = [{name: value or 0.0 for name, value in r.aims(definition.select).items()} for r in searched]
    metric, sign = by
    expected = max((v for v in values if v["accuracy"] >= least), key=lambda v: sign * v[metric])
    first = searched[values.index(expected)]
    (again,) = [r for r in records if r.stage == "confirm" and r.trial.method == "dropattack"]
    assert again.trial.hyperparameters == first.trial.hyperparameters
    found = best_by_workload(definition, records)["digits-lenet5"]
    assert found.record.identity.configuration == first.identity.configuration
    assert (found.keeps, found.confirmed) == (True, True)
    assert found.mean == expected[metric]


def test_the_rule_may_change_and_the_aims_may_not() -> None:
    before = _sweep({"kind": "random"}, 5)
    check_extends(before, _sweep({"kind": "random"}, 5, select={**SELECT, "constraints": ["passes <= 3"]}))
    for other in ({"metrics": ["loss", "accuracy", "passes"]}, {"metrics": ["accuracy", "loss"]}):
        with pytest.raises(UsageError, match="select"):
            check_extends(before, _sweep({"kind": "random"}, 5, select={**SELECT, **other}))
