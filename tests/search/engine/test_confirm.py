"""What a confirmation proposes: baselines, chosen configurations and their controls, on fresh seeds."""

from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.engine.proposers import total_of
from search.records.record import Record
from tests.search.engine.proposed import run, searching
from tests.search.simulation import sweep


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"kind": "confirm", "top": 1, "seeds": [1, 7]}}, "seed 1 has helped to choose"),
        ({"training": {"epochs": 3}}, "leave out its training"),
        ({"model": {"hidden1": 3}}, "leave out its model"),
        ({"budget": "passes"}, "trains in full"),
    ],
)
def test_a_confirmation_changes_nothing_but_seeds(changes: dict[str, Any], message: str) -> None:
    confirm = {"name": "confirm", "search": {"kind": "confirm", "top": 1, "seeds": [7]}}
    sweep(stages=[searching(), confirm])
    with pytest.raises(UsageError, match=message):
        sweep(stages=[searching(), confirm | changes])


def _beside_baselines(records: list[Record]) -> None:
    """Every attack of the confirmation has one baseline on its seed, with its settings."""
    fresh = [r for r in records if r.stage == "confirm"]
    plain = [r for r in fresh if r.trial.method == "standard" and not r.identity.control]
    for record in (r for r in fresh if r.trial.method != "standard" and not r.identity.control):
        beside = [
            r
            for r in plain
            if r.trial.seed == record.trial.seed
            and (r.trial.model, r.trial.training, r.trial.data)
            == (record.trial.model, record.trial.training, record.trial.data)
        ]
        assert len(beside) == 1


@pytest.mark.parametrize(
    ("searched", "settings"),
    [
        ({"training": {"learning_rate": [0.01, 0.001, 0.1]}}, 3),
        ({"training": {"batch_size": [32, 64], "train_size": [100, 200]}}, 4),
        ({"model": {"width": [16, 32]}}, 2),
        ({}, 1),
    ],
)
def test_each_of_the_best_has_a_baseline_of_its_own_settings(
    tmp_path: Path, searched: dict[str, Any], settings: int
) -> None:
    """What a method gains is against plain training of the same model and recipe, on the same fresh seeds."""
    search = searching(search="grid", methods={"dropattack": {"epsilon": [0.5, 1.0]}}, **searched)
    seeds, top = [7, 8], 2 * settings
    confirm = {"kind": "confirm", "top": top, "seeds": seeds, "controls": ["equal-passes"]}
    stages = [search, {"name": "confirm", "search": confirm}]
    records = run(tmp_path, *stages, workloads=["breast-cancer-mlp"])
    fresh = [r for r in records if r.stage == "confirm"]
    plain = [r for r in fresh if r.trial.method == "standard" and not r.identity.control]
    assert len(plain) == settings * len(seeds)
    _beside_baselines(records)
    most = total_of(sweep(stages=stages, workloads=["breast-cancer-mlp"]))
    assert len(records) <= most
    baselines = top if settings > 1 else 1
    assert most == 2 * 2 * settings + (baselines + 2 * top) * len(seeds)


def test_a_test_under_attack_asks_for_no_baseline_of_its_own(tmp_path: Path) -> None:
    """It is no setting of the training."""
    search = searching(search="grid", methods={"dropattack": {"epsilon": [0.5, 1.0]}})
    tested = {
        **searching(search="grid", methods={"dropattack": {"epsilon": [0.7, 0.9]}}),
        **{"name": "tested", "training": {"robustness": "fgsm:0.1"}},
    }
    confirm = {"name": "confirm", "search": {"kind": "confirm", "top": 4, "seeds": [7]}}
    fresh = [r for r in run(tmp_path, search, tested, confirm) if r.stage == "confirm"]
    assert [r.trial.method for r in fresh].count("standard") == 1


@pytest.mark.parametrize(
    ("epochs", "took", "plain"),
    [
        (9, 9, 9),
        (10, 9, 10),
        ([4, 8], 6, 8),
        (2, 3, 2),
        ({"low": 5, "high": 5, "step": 1}, 3, 5),
        ({"low": 4, "high": 8, "step": 4}, 6, 8),
    ],
)
def test_the_baseline_of_a_confirmation_gets_the_whole_budget(
    tmp_path: Path, epochs: Any, took: int, plain: int
) -> None:
    """An attack of three passes leaves what is too few for an epoch; one epoch may cost more than all."""
    training = {"training": {"epochs": epochs}}
    search = searching(methods={"dropattack": {"k": 2}}, search="grid", budget="passes", **training)
    confirm = {"name": "confirm", "search": {"kind": "confirm", "top": 1, "seeds": [7]}}
    records = run(tmp_path, search, confirm, seeds=[0])
    passes = {r.trial.method: r.trial.passes * len(r.epochs) for r in records if r.stage == "confirm"}
    assert passes == {"standard": plain, "dropattack": took}


@pytest.mark.parametrize("method", ["dropattack", "sam", "awp"])
@pytest.mark.parametrize("control", ["equal-passes", "same-updates"])
def test_a_confirmation_runs_plain_training_of_as_many_passes(
    tmp_path: Path, method: str, control: str
) -> None:
    """Also of methods that have no such control themselves; on the same fresh seeds, for each of the best."""
    size = "rho" if method == "sam" else "epsilon"
    search = {"name": "grid", "methods": {method: {size: [0.1, 1.0]}, "standard": {}}}
    search_for = {"kind": "confirm", "top": 2, "seeds": [7, 8], "controls": [control]}
    records = run(tmp_path, search, {"name": "confirm", "search": search_for})
    fresh = [r for r in records if r.stage == "confirm"]
    attacks = [r for r in fresh if r.trial.method == method and not r.identity.control]
    controls = [r for r in fresh if r.identity.control == control]
    assert {r.trial.seed for r in controls} == {r.trial.seed for r in attacks} == {7, 8}
    assert {r.trial.passes for r in controls} == {r.trial.passes for r in attacks}
    assert {r.trial.computed["method"] for r in controls} == {"standard"}
    assert len(fresh) == len({r.key for r in fresh}) == 2 * (1 + 2 + 1), "two of as many passes share one"


def test_a_confirmation_knows_no_other_controls() -> None:
    confirm = {"kind": "confirm", "seeds": [7], "controls": ["p-two"]}
    with pytest.raises(
        UsageError, match=r"search\.controls, entry 1: unknown value 'p-two'; .*equal-passes, same-updates"
    ):
        sweep(stages=[searching(), {"name": "confirm", "search": confirm}])
