"""Plans: what a run would train, known before it starts."""

from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.engine.plan import StagePlan, plan_sweep
from search.records.store import Store
from tests.search.simulation import Driver, engine, sweep

ATTACK = {"k": [2], "epsilon": [0.1, 1.0], "targets": ["input"]}
"""Three passes a step."""


def plan(folder: Path, **changes: Any) -> StagePlan:
    stage = {"name": "only", "methods": {"dropattack": ATTACK}} | changes
    (found,) = plan_sweep(sweep(stages=[stage], seeds=[0]), Store(folder), folder).stages
    return found


@pytest.mark.parametrize("search", ["grid", {"kind": "random", "trials": 2}])
@pytest.mark.parametrize(("budget", "passes"), [("epochs", 2 * 9 * 3), ("passes", 2 * 9)])
def test_passes_are_those_of_the_budget(tmp_path: Path, search: Any, budget: str, passes: int) -> None:
    assert plan(tmp_path, search=search, budget=budget).passes == passes


def test_what_run_would_refuse_is_not_planned(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.define(sweep())
    plan_sweep(sweep(seeds=[0, 1, 2]), store, tmp_path)
    with pytest.raises(UsageError, match="another definition of epochs"):
        plan_sweep(sweep(training={"epochs": 8}), store, tmp_path)
    with pytest.raises(UsageError, match="unknown sweep in warm_start 'elsewhere'"):
        plan(tmp_path / "other", search={"kind": "random", "trials": 2, "warm_start": ["elsewhere"]})


def test_a_space_of_many_dimensions_is_planned_at_once(tmp_path: Path) -> None:
    ranges = {name: {"low": 0.1, "high": 1} for name in ("epsilon", "p", "clean_weight", "input_ratio")}
    choices = {
        "norm": ["tensor", "sample", "row", "joint"],
        "mask": ["element", "row", "tensor"],
        "k": [1, 2, 3, 4, 5],
        "targets": {"subsets_of": ["input", "conv1.w", "conv2.w", "fc1.w", "fc2.w"], "up_to": 3},
        "combine": ["sum", "mean"],
        "grouping": ["input+hidden", "per-target", "joint"],
    }
    methods = {"dropattack": ranges | choices}
    found = plan(tmp_path, search={"kind": "random", "trials": 10}, methods=methods)
    assert 10 * 9 * 2 < found.passes < 10 * 9 * 16, "between the least and the most that a step may cost"


def test_what_computes_the_same_is_trained_once(tmp_path: Path) -> None:
    controls = ["none", "eps-zero", "p-one", "random-direction", "equal-passes"]
    grid = {"epsilon": [0.1, 1, 5], "p": [0, 0.5, 1], "control": controls}
    stage = {"name": "grid", "methods": {"standard": {}, "dropattack": grid}}
    definition = sweep(stages=[stage], seeds=[0, 1])
    (found,) = plan_sweep(definition, Store(tmp_path), tmp_path).stages
    assert (found.trials, found.reused, found.left) == (92, 56, 36)

    ran = engine(tmp_path, definition)
    driver = Driver(ran, slots=3)
    driver.run()
    assert len({key for key, _ in driver.ledger}) == len(driver.ledger) / 9 == 36
    assert len(ran.records) == 92
    assert all(record.finished for record in ran.records)
    plain = [record for record in ran.records if record.key == ran.records[0].key]
    assert {(r.trial.method, r.trial.hyperparameters.get("p")) for r in plain} == {
        ("standard", None),
        ("dropattack", 0.0),
    }
