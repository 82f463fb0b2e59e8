"""Optuna's samplers in a search that may be killed: they go on as they would have, and learn as in Optuna."""

import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.engine.compatibility import check_extends
from search.records.record import Record
from tests.search import simulation
from tests.search.simulation import Driver, KilledError, engine, sweep, table

SAMPLERS: list[dict[str, Any]] = [
    {"kind": "tpe", "n_startup_trials": 4},
    {"kind": "gp", "n_startup_trials": 5},
    {"kind": "cmaes"},
    {"kind": "cmaes", "popsize": 4, "use_separable_cma": True},
    {"kind": "qmc"},
    {"kind": "qmc", "qmc_type": "halton", "scramble": True},
    {"kind": "nsga2", "population_size": 4},
    {"kind": "random"},
]
NAMES = ["-".join(map(str, each.values())) for each in SAMPLERS]
SPACE = {
    "epsilon": {"low": 0.01, "high": 10, "log": True},
    "p": {"low": 0.1, "high": 1.0},
    "k": {"low": 1, "high": 5},
}


def _sweep(sampler: dict[str, Any], trials: int, **stage: Any) -> Sweep:
    search = {"kind": "optuna", "trials": trials, "sampler": sampler, **stage.pop("search", {})}
    stages = [{"name": "search", "search": search, "methods": {"dropattack": SPACE}, **stage}]
    return sweep(stages=stages, training={"epochs": stage.get("epochs", 1)})


def _height(epsilon: float, p: float) -> float:
    """A smooth hill with its top at epsilon = 1 and p = 0.4."""
    return -(math.log10(epsilon) ** 2) - 4 * (p - 0.4) ** 2


@pytest.fixture(autouse=True)
def _hill(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(record: Record, epoch: int) -> dict[str, float]:
        value = _height(*(record.trial.hyperparameters[name] for name in ("epsilon", "p")))
        return {"epoch": epoch, "valid_accuracy": value, "train_loss": 1.0, "seconds": 0.5}

    monkeypatch.setattr(simulation, "train", train)


def _run(folder: Path, definition: Sweep, kills: tuple[int, ...] = (), slots: int = 1) -> Driver:
    for epochs in kills:
        with pytest.raises(KilledError):
            Driver(engine(folder, definition), slots).run(epochs)
    driver = Driver(engine(folder, definition), slots)
    driver.run()
    return driver


@pytest.mark.parametrize("sampler", SAMPLERS, ids=NAMES)
def test_killed_and_run_again_equals_undisturbed(tmp_path: Path, sampler: dict[str, Any]) -> None:
    """With excluded draws, which leave traces in what a sampler remembers."""
    definition = _sweep(sampler, 8 if sampler["kind"] == "gp" else 22, exclude=[{"k": 2}])
    kills = (0, 1, 4) if sampler["kind"] == "gp" else (0, 1, 7, 3, 2)
    whole = _run(tmp_path / "whole", definition)
    killed = _run(tmp_path / "killed", definition, kills)
    assert table(killed.engine.records) == table(whole.engine.records)
    drawn = [r.trial.hyperparameters for r in whole.engine.records]
    assert drawn == [r.trial.hyperparameters for r in killed.engine.records]
    if sampler["kind"] != "nsga2":
        assert len({str(each) for each in drawn}) == len(drawn), (
            "a draw came twice, and not as a parent's clone"
        )
    assert all(each["k"] != 2 for each in drawn)


@pytest.mark.parametrize("sampler", SAMPLERS[2:7], ids=NAMES[2:7])
def test_killed_side_by_side_every_value_is_its_keys(tmp_path: Path, sampler: dict[str, Any]) -> None:
    definition = _sweep(sampler, 20, scheduler="asha")
    records = _run(tmp_path, definition, (4, 6), slots=4).engine.records
    assert len(records) == 20
    for record in records:
        height = _height(*(record.trial.hyperparameters[name] for name in ("epsilon", "p")))
        assert record.value(definition.select) == height


def _generations(study: optuna.Study, key: str) -> list[int]:
    return [trial.system_attrs[key] for trial in study.get_trials() if key in trial.system_attrs]


@pytest.mark.parametrize(
    ("sampler", "key", "alone"),
    [
        ({"kind": "cmaes", "popsize": 5}, "cma:generation", optuna.samplers.CmaEsSampler(popsize=5, seed=1)),
        (
            {"kind": "nsga2", "population_size": 5},
            "NSGAIISampler:generation",
            optuna.samplers.NSGAIISampler(population_size=5, seed=1),
        ),
    ],
    ids=["cmaes", "nsga2"],
)
def test_generations_follow_each_other_as_in_optuna_run_alone(
    tmp_path: Path, sampler: dict[str, Any], key: str, alone: optuna.samplers.BaseSampler
) -> None:
    plain = optuna.create_study(direction="maximize", sampler=alone)
    for _ in range(24):
        trial = plain.ask()
        epsilon, p = trial.suggest_float("epsilon", 0.01, 10, log=True), trial.suggest_float("p", 0.1, 1.0)
        plain.tell(trial, _height(epsilon, p))
    theirs = _generations(plain, key)
    assert max(theirs) > 2
    ours = _run(tmp_path, _sweep(sampler, 24), kills=(13,)).engine
    (part,) = ours._parts
    assert _generations(part.proposer._drawing.study, key) == theirs  # type: ignore[attr-defined]  # the mirror


def test_a_sequence_is_that_of_another_implementation(tmp_path: Path) -> None:
    """The unscrambled points of Sobol in two dimensions, as numbered in SciPy, after the first at random."""
    from scipy.stats import qmc

    space = {name: SPACE[name] for name in ("epsilon", "p")}
    definition = _sweep({"kind": "qmc"}, 9, methods={"dropattack": space})
    drawn = [r.trial.hyperparameters for r in _run(tmp_path, definition, kills=(4,)).engine.records]
    points = [((math.log10(each["epsilon"]) + 2) / 3, (each["p"] - 0.1) / 0.9) for each in drawn[1:]]
    expected = qmc.Sobol(2, scramble=False).random(8)
    assert points == [pytest.approx(tuple(point), abs=1e-9) for point in expected]


@pytest.mark.parametrize("sampler", [{"kind": "cmaes"}, {"kind": "nsga2", "population_size": 10}], ids=str)
def test_what_is_learned_beats_chance(tmp_path: Path, sampler: dict[str, Any]) -> None:
    """The mean height of the last ten of 40 draws; with four seeds, each better than every one at random."""

    def last(kind: dict[str, Any], seed: int) -> float:
        folder = tmp_path / f"{kind['kind']}-{seed}"
        records = _run(folder, _sweep(kind, 40, search={"sampler_seed": seed})).engine.records
        heights = [record.value(sweep().select) or 0.0 for record in records]
        return sum(heights[-10:]) / 10

    assert min(last(sampler, seed) for seed in range(4)) > max(last({"kind": "random"}, s) for s in range(4))


def test_cmaes_begins_where_another_sweep_was_good(tmp_path: Path) -> None:
    space = {"dropattack": {**SPACE, "input_ratio": {"low": 1.0, "high": 1.0}}}
    before = _run(tmp_path / "before", _sweep({"kind": "random"}, 40, methods=space)).engine.records
    definition = _sweep({"kind": "cmaes"}, 10, search={"warm_start": ["before"]}, methods=space)
    heights = {}
    for name, found in (("warm", before), ("cold", ())):
        driver = Driver(engine(tmp_path / name, definition, recorded=lambda _, found=found: found))
        driver.run()
        heights[name] = sum(r.value(sweep().select) or 0.0 for r in driver.engine.records) / 10
    assert heights["warm"] > heights["cold"]


def test_another_sampler_is_another_search() -> None:
    tpe, named = _sweep({"kind": "tpe"}, 5), _sweep({"kind": "tpe", "n_startup_trials": 10}, 5)
    check_extends(tpe, named)
    for other in ({"kind": "qmc"}, {"kind": "tpe", "n_startup_trials": 9}):
        with pytest.raises(UsageError, match="the sampler of stage 'search'"):
            check_extends(tpe, _sweep(other, 5))
