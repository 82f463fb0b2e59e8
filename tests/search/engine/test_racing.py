"""Searches on several seeds: killed at random points, raced and not, with rungs and recorded trials."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.engine.compatibility import check_extends
from search.engine.engine import Engine
from search.engine.plan import plan_sweep
from search.records.record import Record, State
from search.records.store import Store
from search.results.best import best_by_workload
from tests.search import simulation
from tests.search.simulation import Driver, KilledError, engine, sweep, table
from trainables.workloads import workload_named

SPACE = {"dropattack": {"epsilon": {"low": 0.01, "high": 10, "log": True}, "p": {"low": 0.1, "high": 1.0}}}


def _noise(*what: Any) -> float:
    return int(hashlib.sha256(repr(what).encode()).hexdigest(), 16) % 10_000 / 10_000 - 0.5


@pytest.fixture(autouse=True)
def _noisy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A surface with its top at epsilon = 1, a part that a seed has for all, and noise of a trial's own."""

    def train(record: Record, epoch: int) -> dict[str, float]:
        value = 0.9 - 0.01 * abs(record.trial.hyperparameters.get("epsilon", 0.0) - 1) - 0.1 / epoch
        value += 0.05 * _noise(record.trial.seed) + 0.02 * _noise(record.key)
        return {"epoch": epoch, "valid_accuracy": value, "train_loss": 1.0, "seconds": 0.5}

    monkeypatch.setattr(simulation, "train", train)


def _sweep(trials: int = 10, epochs: int = 1, stage: Any = None, methods: Any = None, **search: Any) -> Sweep:
    how = {"kind": "optuna", "trials": trials, "seeds": 5, "race": True, **search}
    stages = [{"name": "search", "search": how, "methods": methods or SPACE, **(stage or {})}]
    return sweep(stages=stages, training={"epochs": epochs}, seeds=[3, 1, 4, 5, 9, 2])


def _run(folder: Path, definition: Sweep, slots: int = 1, **options: Any) -> list[Record]:
    driver = Driver(engine(folder, definition, **options), slots)
    driver.run()
    return list(driver.engine.records)


def _by_configuration(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.identity.configuration, []).append(record)
    return found


HOW: list[dict[str, Any]] = [
    {},
    {"stage": {"scheduler": "asha"}, "epochs": 9},
    {"sampler": "cmaes", "patience": 5},
    {"race": False, "seeds": 3, "objective": "lower"},
    {"race": False, "seeds": 2, "patience": 4},
]
WAYS = ["race", "race-asha", "race-cmaes-patience", "lower", "mean-patience"]


@pytest.mark.parametrize("how", HOW, ids=WAYS)
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kills=st.lists(st.integers(min_value=0, max_value=25), min_size=1, max_size=4))
def test_killed_and_run_again_equals_undisturbed(
    tmp_path_factory: pytest.TempPathFactory, how: dict[str, Any], kills: list[int]
) -> None:
    definition, folder = _sweep(**how), tmp_path_factory.mktemp("killed")
    whole = _run(tmp_path_factory.mktemp("whole"), definition)
    for epochs in kills:
        try:
            Driver(engine(folder, definition)).run(epochs)
        except KilledError:
            continue
    assert table(_run(folder, definition)) == table(whole)
    assert _run(folder, definition) == _run(folder, definition), "there is nothing left"


@pytest.mark.parametrize("how", HOW[:3], ids=WAYS[:3])
def test_a_race_trains_the_first_seeds_of_each_and_all_of_the_best(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    definition = _sweep(trials=16, **how)
    for slots in (1, 4):
        records = _run(tmp_path / str(slots), definition, slots)
        candidates = _by_configuration(records)
        counts = {name: len(own) for name, own in candidates.items()}
        for own in candidates.values():
            assert [r.trial.seed for r in own] == [3, 1, 4, 5, 9][: len(own)], (
                "seeds of the incumbent, in order"
            )
            assert len({str(r.params) for r in own}) == 1
        best = best_by_workload(definition, records)["digits-lenet5"]
        assert best.seeds == 5 == counts[best.record.identity.configuration]
        assert len(records) < 0.7 * 5 * len(candidates)
        for record in records:
            metrics = [simulation.train(record, int(m["epoch"]))["valid_accuracy"] for m in record.epochs]
            assert [m["valid_accuracy"] for m in record.epochs] == metrics


def test_rungs_stop_first_seeds_only_and_who_is_stopped_gets_no_further(tmp_path: Path) -> None:
    records = _run(tmp_path, _sweep(trials=16, epochs=9, stage={"scheduler": "asha"}), slots=3)
    stopped = [r for r in records if r.state is State.PRUNED]
    assert stopped
    candidates = _by_configuration(records)
    for record in stopped:
        assert candidates[record.identity.configuration] == [record]
        assert record.trial.seed == 3


def test_a_failed_seed_ends_a_candidate(tmp_path: Path) -> None:
    tested = engine(tmp_path, _sweep(trials=6))
    failed = ""
    while record := tested.next():
        if not failed and record.trial.seed == 1:
            failed = record.identity.configuration
            tested.fail(record.key, "DivergedError: it diverged")
        else:
            tested.report(record.key, simulation.train(record, 1))
    assert len(_by_configuration(list(tested.records))[failed]) == 2


def test_fixed_seeds_train_each_draw_on_the_sweeps_first(tmp_path: Path) -> None:
    records = _run(tmp_path, _sweep(race=False, seeds=3))
    assert {tuple(r.trial.seed for r in own) for own in _by_configuration(records).values()} == {(3, 1, 4)}
    assert len(records) == 30


def test_recorded_trials_count_like_trained_ones(tmp_path: Path) -> None:
    definition = _sweep()
    whole = _run(tmp_path / "whole", definition)
    known = {r.key: ("before", r) for r in whole if r.trial.seed != 3}
    driver = Driver(engine(tmp_path / "reused", definition, elsewhere=known))
    driver.run()
    reused = driver.engine.records
    assert [r.key for r in reused] == [r.key for r in whole]
    assert {key for key, _ in driver.ledger} == {r.key for r in whole if r.trial.seed == 3}


def test_a_configuration_that_is_drawn_again_gets_no_seeds_of_its_own(tmp_path: Path) -> None:
    methods = {"dropattack": {"epsilon": [0.5, 1.0, 8.0]}}
    for slots in (1, 3):
        records = _run(tmp_path / str(slots), _sweep(trials=12, methods=methods), slots)
        first = [r for r in records if r.trial.seed == 3]
        assert len(first) == 12
        later = [(r.identity.configuration, r.trial.seed) for r in records if r.trial.seed != 3]
        assert len(later) == len(set(later)) <= 12


def test_the_sampler_is_told_means_of_the_seeds(tmp_path: Path) -> None:
    tested = engine(tmp_path, _sweep(race=False, seeds=3, trials=6))
    Driver(tested).run()
    (part,) = tested._parts
    part.proposer.propose(part.records, [])
    study = part.proposer._drawing.study  # type: ignore[attr-defined]  # what Optuna has been told
    means = [
        sum(r.value(tested.sweep.select) or 0 for r in own) / 3
        for own in _by_configuration(list(tested.records)).values()
    ]
    assert [trial.value for trial in study.get_trials()] == [pytest.approx(mean) for mean in means]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"seeds": 8}, r"search\.seeds is 8, and the sweep's seeds are 3, 1, 4, 5, 9, 2; list more"),
        ({"seeds": 1}, "a race needs several seeds"),
        ({"seeds": 0}, "must be at least 1"),
        ({"objective": "lower"}, "lower needs seeds: 3 or more of each trial, without a race"),
        ({"objective": "lower", "race": False, "seeds": 2}, "lower needs seeds: 3 or more"),
        ({"objective": "median"}, "unknown value 'median'"),
    ],
)
def test_races_that_cannot_be_run_are_refused(search: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _sweep(**search)


@pytest.mark.parametrize("change", [{"seeds": 4}, {"race": False}, {"race": False, "objective": "lower"}])
def test_another_race_is_another_search(change: dict[str, Any]) -> None:
    check_extends(_sweep(), _sweep(trials=20))
    with pytest.raises(UsageError, match=r"the (seeds|race|objective) of stage 'search'"):
        check_extends(_sweep(), _sweep(**change))


def test_what_is_left_of_a_race_that_has_ended_is_nothing(tmp_path: Path) -> None:
    """Fewer trials than seeds times draws: a plan, and the count while a later stage runs, know that."""
    confirm = {"name": "confirm", "search": {"kind": "confirm", "top": 1, "seeds": [100, 101]}}
    first = _sweep(epochs=1)
    definition = sweep(
        stages=[*first.model_dump()["stages"], confirm], training={"epochs": 1}, seeds=[3, 1, 4, 5, 9, 2]
    )
    store = Store(tmp_path / "runs")
    store.define(definition)
    data = workload_named("digits-lenet5")
    tested = Engine(
        definition,
        store.journal(definition, writable=True),
        lambda workload, options: data.checksum(tmp_path, options),
    )
    assert tested.total == 10 * 5 + 4, "the winner and the baseline on two seeds"
    Driver(tested).run()
    raced = sum(record.stage == "search" for record in tested.records)
    assert raced < 10 * 5
    assert tested.total == raced + 4 == len(tested.records)
    (search, confirmed) = plan_sweep(definition, store, tmp_path).stages
    assert (search.trials, search.left) == (raced, 0)
    assert (confirmed.trials, confirmed.left) == (4, 0)
