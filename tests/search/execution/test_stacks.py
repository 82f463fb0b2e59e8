"""Stacks of trials, with simulated processes that train, fail and run out of memory."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.execution.stacks import Stacks
from search.records.record import Record, State
from tests.search.simulation import Driver, engine, sweep, table, train
from trainables.lanes.loop import lane_structure
from trainables.trainable import BROKEN, DIVERGED, FAILURE, METRICS, NO_GPU, OUT_OF_MEMORY

Fault = Callable[[Sequence[Record]], dict[str, Any] | None]
GRID = {
    "stages": [
        {"name": "baseline", "methods": {"standard": {}}},
        {
            "name": "grid",
            "methods": {
                "dropattack": {"epsilon": [0.1, 1.0, 5.0], "targets": ["input", "conv1.w"]},
                "fgm": {},
            },
        },
    ]
}


def none(stack: Sequence[Record]) -> None:
    """Nothing goes wrong."""


def guilty(record: Record) -> bool:
    """Whether a trial is one of those that tests let go wrong."""
    return record.trial.method == "dropattack" and record.trial.hyperparameters["epsilon"] == 5


class Processes:
    """Trains stacks as `StackTrainable` does, with checkpoints that outlive a process.

    Attributes:
        stacks: Those that were handed out.
        trained: Every epoch that was trained.
    """

    def __init__(
        self,
        folder: Path,
        definition: Sweep,
        lanes: int,
        slots: int,
        fault: Fault = none,
        diverges: Callable[[Record, int], bool] = lambda record, epoch: False,
    ) -> None:
        self.engine = engine(folder, definition)
        self.handed = Stacks(self.engine, lanes)
        self.slots, self.fault, self.diverges = slots, fault, diverges
        self.stacks: list[list[Record]] = []
        self.trained: list[tuple[str, int]] = []
        self._checkpoints: dict[str, int] = {}

    def run(self) -> None:
        """Runs to the end."""
        running: list[list[Record]] = []
        while not self.handed.ended or running:
            while self.handed.running < self.slots and (stack := self.handed.next()):
                self.stacks.append(stack)
                running.append(stack)
            assert len(running) == self.handed.running
            assert running or self.handed.ended, "nothing to do and not at the end"
            running = [s for s in running if self.handed.report([r.key for r in s], self._step(s))]

    def _step(self, stack: Sequence[Record]) -> dict[str, Any]:
        if found := self.fault(stack):
            return found
        metrics: list[tuple[str, dict[str, float]]] = []
        diverged: list[tuple[str, str]] = []
        for record in stack:
            epoch = self._checkpoints[record.key] = self._checkpoints.get(record.key, 0) + 1
            self.trained.append((record.key, epoch))
            if self.diverges(record, epoch):
                diverged.append((record.key, "diverged"))
            else:
                metrics.append((record.key, train(record, epoch)))
        return {METRICS: metrics, DIVERGED: diverged}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lanes=st.integers(1, 9), slots=st.integers(1, 3))
def test_a_grid_in_stacks_of_any_size_equals_one_trial_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, lanes: int, slots: int
) -> None:
    driver = Driver(engine(tmp_path_factory.mktemp("alone"), sweep(**GRID)))
    driver.run()
    processes = Processes(tmp_path_factory.mktemp("stacks"), sweep(**GRID), lanes, slots)
    processes.run()
    assert table(processes.engine.records) == table(driver.engine.records)
    assert sorted(processes.trained) == sorted(driver.ledger), "each epoch once"
    for stack in processes.stacks:
        assert len(stack) <= lanes
        if len(stack) > 1:
            assert len({lane_structure(record.trial) for record in stack}) == 1


def test_trials_that_can_be_lanes_are_put_together_and_others_train_alone(tmp_path: Path) -> None:
    processes = Processes(tmp_path, sweep(**GRID), lanes=20, slots=1)
    processes.run()
    sizes = sorted((len(stack), stack[0].trial.method) for stack in processes.stacks)
    assert sizes == [(1, "fgm"), (1, "fgm"), (2, "standard"), (6, "dropattack"), (6, "dropattack")]


def test_those_that_are_stopped_leave_and_the_others_go_on_with_new_ones(tmp_path: Path) -> None:
    search = {
        "name": "search",
        "search": {"kind": "optuna", "trials": 12},
        "scheduler": "asha",
        "methods": {"dropattack": {"epsilon": {"low": 0.01, "high": 10, "log": True}}},
    }
    processes = Processes(tmp_path, sweep(stages=[search]), lanes=4, slots=1)
    processes.run()
    states = [record.state for record in processes.engine.records]
    assert len(states) == 12
    assert set(states) == {State.COMPLETE, State.PRUNED}
    assert len(processes.trained) == len(set(processes.trained)), "an epoch was trained twice"
    seen = [{record.key for record in stack} for stack in processes.stacks]
    assert any(one & other and other - one for one, other in pairwise(seen))


@pytest.mark.parametrize("kind", [FAILURE, OUT_OF_MEMORY])
def test_a_trial_that_brings_down_every_stack_fails_alone(tmp_path: Path, kind: str) -> None:
    def fault(stack: Sequence[Record]) -> dict[str, Any] | None:
        return {kind: "it was me"} if any(map(guilty, stack)) else None

    processes = Processes(tmp_path, sweep(**GRID), lanes=8, slots=2, fault=fault)
    processes.run()
    for record in processes.engine.records:
        expected = (State.FAILED, "it was me") if guilty(record) else (State.COMPLETE, "")
        assert (record.state, record.reason) == expected
    assert len(processes.trained) == len(set(processes.trained))


def test_stacks_become_as_small_as_the_memory_wants_them(tmp_path: Path) -> None:
    def fault(stack: Sequence[Record]) -> dict[str, Any] | None:
        return {OUT_OF_MEMORY: "too many"} if len(stack) > 3 else None

    processes = Processes(tmp_path, sweep(**GRID), lanes=8, slots=1, fault=fault)
    processes.run()
    assert {record.state for record in processes.engine.records} == {State.COMPLETE}
    large = [lane_structure(stack[0].trial) for stack in processes.stacks if len(stack) > 3]
    assert large
    assert len(large) == len(set(large)), "each structure finds out once"


def test_stacks_of_other_trials_stay_as_large_as_they_were(tmp_path: Path) -> None:
    def fault(stack: Sequence[Record]) -> dict[str, Any] | None:
        large = stack[0].trial.workload == "mnist-lenet5"
        return {OUT_OF_MEMORY: "too many"} if large and len(stack) > 1 else None

    definition = sweep(workloads=["mnist-lenet5", "digits-lenet5"], **GRID)
    processes = Processes(tmp_path, definition, lanes=4, slots=1, fault=fault)
    processes.run()
    sizes = [len(s) for s in processes.stacks if s[0].trial.workload == "digits-lenet5"]
    assert max(sizes) == 4


def test_what_is_left_for_a_notice_begins_again_and_is_no_death(tmp_path: Path) -> None:
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=2)
    first = stacks.next()
    keys = [record.key for record in first]
    for _ in range(9):
        stacks.preempted(keys, further=False)
        assert stacks.running == 0
        assert stacks.next() == first
    assert not stacks._engine.further
    stacks.preempted(keys, further=True)
    assert stacks._engine.further == set(keys)
    assert {record.state for record in first} == {State.RUNNING}
    assert stacks.lives(keys[0]) == []


def test_a_run_that_must_end_begins_nothing_and_lets_nothing_go_on(tmp_path: Path) -> None:
    told: list[bool] = []
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=1, ends_early=lambda: bool(told))
    (record,) = stacks.next()
    assert not stacks.ended
    told.append(True)
    assert stacks.ended
    assert stacks.next() == []
    assert not stacks.report([record.key], {METRICS: [(record.key, train(record, 1))], DIVERGED: []})
    assert stacks.running == 0
    assert (len(record.epochs), record.state) == (1, State.RUNNING)


def test_the_lives_of_processes_that_died_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.time", lambda: now)
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=2)
    first = stacks.next()
    for died in (130.0, 190.0):
        now = died
        stacks.died([record.key for record in first], "killed")
        again = stacks.next()
        assert again == first
    assert [stacks.lives(record.key) for record in first] == [[(100, 130, 2), (130, 190, 2)]] * 2


def test_deaths_before_an_epoch_that_is_new_are_forgiven(tmp_path: Path) -> None:
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=1)
    for epoch in range(1, 9):
        (record,) = stacks.next()
        for seen in range(1, epoch):
            assert stacks.report([record.key], {METRICS: [(record.key, train(record, seen))], DIVERGED: []})
        assert stacks.report([record.key], {METRICS: [(record.key, train(record, epoch))], DIVERGED: []})
        stacks.died([record.key], "a lost node")
        assert record.state is State.RUNNING
    for _ in range(2):  # without a new epoch in between
        (record,) = stacks.next()
        assert stacks.report([record.key], {METRICS: [(record.key, train(record, 1))], DIVERGED: []})
        stacks.died([record.key], "its own fault")
    assert record.state is State.FAILED


def test_a_lane_that_diverges_fails_and_the_others_train_no_epoch_again(tmp_path: Path) -> None:
    processes = Processes(
        tmp_path, sweep(**GRID), lanes=6, slots=1, diverges=lambda r, epoch: guilty(r) and epoch == 3
    )
    processes.run()
    for record in processes.engine.records:
        expected = (State.FAILED, "diverged", 2) if guilty(record) else (State.COMPLETE, "", 9)
        assert (record.state, record.reason, len(record.epochs)) == expected
    assert len(processes.trained) == len(set(processes.trained))


def test_a_stack_whose_process_dies_is_begun_again_and_at_last_in_halves(tmp_path: Path) -> None:
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=6)
    dead = stacks.next()
    keys = [record.key for record in dead]
    for _ in range(2):
        stacks.died(keys, "killed")
        assert stacks.running == 0
        assert stacks.next() == dead
    stacks.died(keys, "killed")
    first, second = stacks.next(), stacks.next()
    assert first + second == dead
    assert len(first) == len(second) == 1
    stacks.died([first[0].key], "killed")
    assert (first[0].state, first[0].reason) == (State.FAILED, "its process died 4 times: killed")
    assert second[0].state is State.RUNNING


def test_a_trial_that_needs_a_whole_gpu_is_not_kept_from_it_by_others(tmp_path: Path) -> None:
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=1)
    large, small = stacks.next(), stacks.next()
    assert not stacks.report([large[0].key], {OUT_OF_MEMORY: "too small"})
    assert stacks.next() == large
    assert stacks.next() == [], "the others wait until it has its place"
    assert stacks.report([small[0].key], {METRICS: [(small[0].key, train(small[0], 1))], DIVERGED: []})
    assert stacks.next() == []
    assert stacks.report([large[0].key], {METRICS: [(large[0].key, train(large[0], 1))], DIVERGED: []})
    assert len(stacks.next()) == 1


def test_trials_that_cannot_be_lanes_do_not_keep_stacks_small(tmp_path: Path) -> None:
    epsilon = {"low": 0.01, "high": 10, "log": True}
    search = {
        "name": "search",
        "search": {"kind": "random", "trials": 120},
        "methods": {"dropattack": {"epsilon": epsilon}, "fgm": {"epsilon": epsilon}},
    }
    processes = Processes(tmp_path, sweep(stages=[search], training={"epochs": 1}), lanes=8, slots=1)
    processes.run()
    sizes = [len(stack) for stack in processes.stacks if stack[0].trial.method == "dropattack"]
    assert sum(sizes) / len(sizes) > 6


@pytest.mark.parametrize(("limits", "lanes"), [({"passes": 20}, 1), ({"passes": 20}, 6), ({"trials": 3}, 6)])
def test_at_a_limit_only_what_has_begun_is_finished(
    tmp_path: Path, limits: dict[str, int], lanes: int
) -> None:
    limited = sweep(**GRID, limits=limits)
    first = Processes(tmp_path, limited, lanes, slots=1)
    first.run()
    begun = {key for key, _ in first.trained}
    assert len(begun) <= (3 if "trials" in limits else lanes + 2)
    assert len(first.trained) == 9 * len(begun), "whoever began is finished"
    assert {r.key for r in first.engine.records if r.epochs} == begun
    rest = Processes(tmp_path, sweep(**GRID), lanes, slots=1)
    rest.run()
    assert {record.state for record in rest.engine.records} == {State.COMPLETE}
    assert not begun & {key for key, _ in rest.trained}


def test_confirmation_waits_for_stacks(tmp_path: Path) -> None:
    processes = Processes(tmp_path, sweep(), lanes=5, slots=2)
    processes.run()
    stages = [record.stage for record in processes.engine.records]
    assert stages.count("confirm") == 6
    assert all(record.finished for record in processes.engine.records)


@pytest.mark.parametrize(("kind", "error"), [(BROKEN, OSError), (NO_GPU, UsageError)])
def test_what_a_machine_lacks_is_an_error_of_its_own_and_fails_no_trial(
    tmp_path: Path, kind: str, error: type[Exception]
) -> None:
    stacks = Stacks(engine(tmp_path, sweep(**GRID)), lanes=4)
    stack = stacks.next()
    with pytest.raises(error, match="none left"):
        stacks.report([record.key for record in stack], {kind: "none left"})
    assert {record.state for record in stack} == {State.RUNNING}
