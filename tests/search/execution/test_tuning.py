"""Errors around an engine that Ray runs: they end the run, and they are raised as they are."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.execution import tuning
from search.execution.slots import Slots
from search.execution.stacks import Stacks
from search.records.journal import Journal
from search.records.record import Record, State
from tests.search.execution.faults import FaultError, fault
from trainables.workloads import workload_named

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("local_ray")]


@pytest.fixture(autouse=True)
def _all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials wait in Tune, as they do in a sweep, and not in the engine."""
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "3")


def _engine(folder: Path, workload: str = "digits-lenet5") -> Engine:
    raw: dict[str, Any] = {
        "name": "guarded",
        "workload": workload,
        "training": {"epochs": 2, "train_size": 50},
        "seeds": [0, 1, 2],
        "resources": {"concurrent": 3, "cpus": 2},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    definition = parse_sweep(raw)
    checksum = workload_named(workload).checksum(folder)
    return Engine(definition, Journal(folder / "journal.log", definition.select), lambda *_: checksum)


def _run(engine: Engine, folder: Path) -> None:
    """Runs three trials that take all of Ray each, and checks that the fault comes out and was the end."""
    with pytest.raises(FaultError) as raised:
        tuning.run(engine, folder, folder)
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "fault"
    assert len(engine.records) == 3
    assert len(list((folder / "checkpoints").iterdir())) == 1, "a trial was begun after the fault"


def test_an_error_of_a_listener(tmp_path: Path) -> None:
    engine = _engine(tmp_path)

    def listen(record: Record) -> None:
        if record.epochs:
            fault()

    engine.listeners.append(listen)
    _run(engine, tmp_path)
    assert sum(len(record.epochs) for record in engine.records) == 1


def test_an_error_on_the_way_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stacks, "report", fault)
    engine = _engine(tmp_path)
    _run(engine, tmp_path)
    assert not any(record.epochs for record in engine.records)


def test_an_error_where_a_death_is_heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stacks, "died", fault)
    engine = _engine(tmp_path, "tests.search.mortal:workload")
    _run(engine, tmp_path)
    assert sorted(record.state for record in engine.records) == [State.COMPLETE, State.RUNNING, State.RUNNING]


def test_an_error_where_the_next_trial_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _engine(tmp_path)
    count = Slots.count

    def lost(slots: Slots) -> int:
        return fault() if any(record.epochs for record in engine.records) else count(slots)

    monkeypatch.setattr(Slots, "count", lost)
    _run(engine, tmp_path)
