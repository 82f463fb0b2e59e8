"""Errors around an engine, with a simulated Tune that goes on calling after them."""

import pickle
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.definition.sweep import Resources
from search.engine.engine import Engine
from search.execution.guard import Guard
from search.execution.slots import Slots
from search.execution.stacks import Stacks
from search.execution.tuning import EngineScheduler, EngineSearcher
from search.records.journal import Journal
from search.records.record import Record
from tests.search.execution.faults import FaultError, fault
from tests.search.simulation import Driver, engine, sweep, table, train
from trainables.trainable import DIVERGED, METRICS
from trainables.trial import Trial

GRID = {
    "training": {"epochs": 3},
    "stages": [{"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}, "fgm": {}}}],
}


class FakeTune:
    """Calls a searcher and a scheduler as Tune does; stacks report from their first epoch, and die once.

    It stops when the guard says so, and then still has a result or a death of every stack in flight.
    """

    def __init__(self, engine: Engine) -> None:
        self.guard = Guard()
        stacks = Stacks(engine, lanes=2)
        slots = Slots(Resources(concurrent=2))
        self.searcher = EngineSearcher(self.guard, stacks, {"gpus": 0.0}, slots)
        self.scheduler = EngineScheduler(self.guard, stacks)
        self._running: deque[Any] = deque()
        self._died: set[str] = set()

    def run(self) -> None:
        """Runs to the end, and raises what the guard has."""
        with self.guard:
            while not self.guard.stop_all():
                config = self.searcher.suggest("id")
                if isinstance(config, dict):
                    self._running.append(self._trial(config))
                elif self._running:
                    self._process(self._running.popleft())
                elif config == Searcher.FINISHED:
                    break
            while self._running:
                self._process(self._running.popleft())

    @staticmethod
    def _trial(config: dict[str, Any]) -> Any:
        return SimpleNamespace(config=config, pickled_error_file=None, epoch=0)

    def _process(self, trial: Any) -> None:
        trials = [Trial.from_dict(each) for each in trial.config["trials"]]
        trial.epoch += 1
        if trial.epoch == 2 and trials[0].key not in self._died:
            self._died.add(trials[0].key)
            self.scheduler.on_trial_error(None, trial)
            return
        metrics = [(each.key, train(Record(-1, "", each, each.identity), trial.epoch)) for each in trials]
        decision = self.scheduler.on_trial_result(None, trial, {METRICS: metrics, DIVERGED: []})
        if decision == TrialScheduler.CONTINUE and not self.guard.stop_all():
            self._running.append(trial)


class Fault:
    """An error before or after one passing of a function.

    Attributes:
        journal: What was on disk then; nothing before it happened.
    """

    def __init__(self, path: Path, when: str, passing: int) -> None:
        self._path, self._when, self._passing = path, when, passing
        self._passed = 0
        self.journal: bytes | None = None

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with the error in it."""

        def failing(*arguments: Any, **options: Any) -> Any:
            self._passed += 1
            here = self._passed == self._passing
            if here and self._when == "before":
                self._happen()
            found = function(*arguments, **options)
            if here:
                self._happen()
            return found

        return failing

    def _happen(self) -> NoReturn:
        self.journal = self._path.read_bytes()
        fault()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What the sweep records when nothing goes wrong."""
    driver = Driver(engine(tmp_path_factory.mktemp("undisturbed"), sweep(**GRID)))
    driver.run()
    return table(driver.engine.records)


@pytest.fixture(params=[("before", 1), ("after", 3)], ids=lambda param: f"{param[0]}-{param[1]}")
def planned(tmp_path: Path, request: pytest.FixtureRequest) -> Fault:
    """An error to come."""
    return Fault(tmp_path / "journal.log", *request.param)


def _check(folder: Path, tested: Engine, planned: Fault, undisturbed: list[tuple[Any, ...]]) -> None:
    """The error comes out as it is, it is the last that happens, and a run after it does what remains."""
    with pytest.raises(FaultError) as raised:
        FakeTune(tested).run()
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "fault"
    assert (folder / "journal.log").read_bytes() == planned.journal, "recorded after the error"
    again = engine(folder, sweep(**GRID))
    FakeTune(again).run()
    assert table(again.records) == undisturbed


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Journal, "add"),
        (Journal, "append"),
        (Journal, "finish"),
        (Engine, "next"),
        (Engine, "report"),
        (Stacks, "next"),
        (Stacks, "report"),
        (Stacks, "died"),
        (Slots, "count"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_an_error_anywhere_ends_the_run_and_loses_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    planned: Fault,
    undisturbed: list[tuple[Any, ...]],
    owner: type,
    name: str,
) -> None:
    monkeypatch.setattr(owner, name, planned.around(getattr(owner, name)))
    _check(tmp_path, engine(tmp_path, sweep(**GRID)), planned, undisturbed)


def test_an_error_of_a_listener_too(
    tmp_path: Path, planned: Fault, undisturbed: list[tuple[Any, ...]]
) -> None:
    tested = engine(tmp_path, sweep(**GRID))
    tested.listeners.append(planned.around(lambda record: None))
    _check(tmp_path, tested, planned, undisturbed)


class Broken:
    """Something of which nothing works."""

    def __getattr__(self, name: str) -> NoReturn:
        fault()


@pytest.mark.parametrize(
    ("callbacks", "name"),
    [
        (callbacks, name)
        for callbacks in (EngineSearcher, EngineScheduler)
        for name in vars(callbacks)
        if not name.startswith("_")
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_no_callback_raises_into_tune(callbacks: Any, name: str) -> None:
    guard, broken = Guard(), Broken()
    made = (
        EngineSearcher(guard, broken, {}, broken)  # type: ignore[arg-type]
        if callbacks is EngineSearcher
        else EngineScheduler(guard, broken)  # type: ignore[arg-type]
    )
    callback = getattr(made, name)
    callback(*[broken] * (callback.__func__.__code__.co_argcount - 1))


def test_the_first_error_is_raised_even_where_tune_fails_over_it() -> None:
    guard = Guard()
    assert guard.call(fault, "otherwise") == "otherwise"
    assert guard.call(lambda: "works", "otherwise") == "otherwise"
    with pytest.raises(FaultError) as raised, guard:
        raise RuntimeError("trials did not complete")
    assert isinstance(raised.value.__context__, RuntimeError)


def test_without_an_error_the_guard_changes_nothing() -> None:
    with Guard() as guard:
        assert guard.call(lambda: "works", "otherwise") == "works"
        assert not guard.stop_all()
        assert not guard("trial", {})
    with pytest.raises(RuntimeError, match="of Tune itself"), Guard():
        raise RuntimeError("of Tune itself")


def test_an_order_to_stop_is_not_held_back() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Guard() as guard:
        guard.call(interrupt, None)


def test_tune_can_write_a_guard_to_disk_whatever_error_it_has() -> None:
    guard = Guard()
    guard.call(fault, None)
    assert guard.stop_all()
    assert isinstance(pickle.loads(pickle.dumps(guard)), Guard)
