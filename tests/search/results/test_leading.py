"""The best configuration so far: by hand, and never worse than it was, whatever the order."""

import random
from pathlib import Path
from typing import Any

import pytest

from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.results.leading import Leader, Leading
from tests.search.simulation import Driver, engine, sweep

WORKLOAD = "digits-lenet5"
CONFIRM = {"name": "confirm", "search": {"kind": "confirm", "top": 2, "seeds": [7, 8]}}
GRID = {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [1.0, 2.0]}}}


def _run(folder: Path, definition: Sweep) -> list[Record]:
    driver = Driver(engine(folder, definition))
    driver.run()
    return list(driver.engine.records)


def _set(record: Record, value: float, metric: str = "valid_accuracy") -> Record:
    for metrics in record.epochs:
        metrics[metric] = value
    return record


def _leaders(definition: Sweep, records: list[Record]) -> list[Leader | None]:
    """The leader after each record."""
    leading, found = Leading(definition), []
    for record in records:
        leading.add(record)
        found.append(leading.leaders().get(WORKLOAD))
    return found


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("order", range(20))
def test_it_never_gets_worse(tmp_path: Path, order: int, mode: str) -> None:
    metric = "accuracy" if mode == "max" else "loss"
    definition = sweep(select={"metric": metric}, stages=[GRID, CONFIRM], seeds=[0, 1, 2])
    draws = random.Random(order)
    driver = Driver(engine(tmp_path, sweep(stages=[GRID, CONFIRM], seeds=[0, 1, 2])))
    driver.run()
    records = [_set(record, draws.random(), f"valid_{metric}") for record in driver.engine.records]
    draws.shuffle(records)
    sign = 1 if mode == "max" else -1
    led = [sign * leader.value for leader in _leaders(definition, records) if leader]
    assert led == sorted(led)
    means = {
        c: sum(r.value(definition.select) or 0 for r in records if _is(r, c)) / 3
        for c in {r.identity.configuration for r in records if r.stage == "grid"}
    }
    assert led[-1] == pytest.approx(max(sign * mean for mean in means.values()))


def _is(record: Record, configuration: str) -> bool:
    return record.identity.configuration == configuration and record.stage == "grid"


def test_half_of_its_seeds_put_no_configuration_ahead(tmp_path: Path) -> None:
    """ε 1 has .9 and .5, ε 2 has .6 and .7: the first seed of ε 1 would have had to be taken back."""
    definition = sweep(stages=[GRID], seeds=[0, 1])
    values = {(1.0, 0): 0.9, (1.0, 1): 0.5, (2.0, 0): 0.6, (2.0, 1): 0.74, (None, 0): 0.5, (None, 1): 0.6}
    records = [
        _set(r, values[r.trial.hyperparameters.get("epsilon"), r.trial.seed])
        for r in _run(tmp_path, definition)
    ]
    records.sort(key=lambda r: (r.trial.hyperparameters.get("epsilon", 3.0), r.trial.seed))
    led = _leaders(definition, records)
    assert [leader and round(leader.value, 6) for leader in led] == [None, 0.7, 0.7, 0.7, 0.7, 0.7]
    assert [leader and leader.gain for leader in led[:4]] == [None, None, None, None], "no baseline as yet"
    last = led[-1]
    assert last is not None
    assert last.gain == pytest.approx(0.7 - 0.55)
    assert (last.seeds, last.plain) == ((0, 1), False)


def test_a_search_leads_by_its_one_seed_and_its_gain_is_of_that_seed(tmp_path: Path) -> None:
    search = {
        "name": "search",
        "search": {"kind": "random", "trials": 3},
        "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}}},
    }
    baseline = {"name": "baseline", "methods": {"standard": {}}}
    definition = sweep(stages=[baseline, search, CONFIRM], seeds=[0, 1])
    records = _run(tmp_path, definition)
    for record in records:
        _set(record, {"baseline": 0.5 + 0.2 * record.trial.seed, "confirm": 0.99}.get(record.stage, 0.8))
    leading = Leading(definition)
    for record in records:
        leading.add(record)
    leader = leading.leaders()[WORKLOAD]
    assert (leader.value, leader.seeds) == (0.8, (0,))
    assert leader.gain == pytest.approx(0.3)
    mean, seeds = leading.baseline(WORKLOAD) or (0, 0)
    assert (mean, seeds) == (pytest.approx(0.6), 2)


def test_a_baseline_of_another_recipe_is_no_pair(tmp_path: Path) -> None:
    other = {"name": "baseline", "methods": {"standard": {}}, "training": {"learning_rate": 0.5}}
    attack = {"name": "attack", "methods": {"dropattack": {}}}
    definition = sweep(stages=[other, attack], seeds=[0])
    records = [_set(r, 0.5 + 0.1 * (r.stage == "attack")) for r in _run(tmp_path, definition)]
    leader = _leaders(definition, records)[-1]
    assert leader is not None
    assert (leader.value, leader.gain) == (0.6, None)


def test_where_a_stage_counts_passes_the_baseline_is_of_the_same_budget(tmp_path: Path) -> None:
    """The attack trains for two epochs of two passes, plain training for five of one."""
    definition = sweep(stages=[{**GRID, "budget": "passes"}], training={"epochs": 5})
    records = _run(tmp_path, definition)
    assert {r.trial.training["epochs"] for r in records} == {2, 5}
    for record in records:
        _set(record, 0.7 if record.trial.method == "standard" else 0.8)
    leader = _leaders(definition, records)[-1]
    assert leader is not None
    assert leader.gain == pytest.approx(0.1)


@pytest.mark.parametrize(
    "methods",
    [{"standard": {"rounds": 2}}, {"dropattack": {"control": "p-one"}}, {"dropattack": {"epsilon": 0.0}}],
)
def test_controls_and_what_is_not_complete_never_lead(tmp_path: Path, methods: dict[str, Any]) -> None:
    definition = sweep(stages=[{"name": "grid", "methods": {"standard": {}}}], seeds=[0])
    controls = sweep(stages=[{"name": "grid", "methods": methods}], seeds=[0])
    (plain,), (control,) = _run(tmp_path / "1", definition), _run(tmp_path / "2", controls)
    leader = _leaders(definition, [_set(plain, 0.5), _set(control, 0.9)])[-1]
    assert leader is not None
    assert (leader.value, leader.plain) == (0.5, True)
    plain.state = State.PRUNED
    assert _leaders(definition, [plain]) == [None]
