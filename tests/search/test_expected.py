"""How many trials there will be, as a process learns it that watches a run from outside."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from search.console.standings import standing_of
from search.console.status import Status
from search.definition.sweep import Sweep
from search.engine.engine import Engine
from search.expected import Expected
from search.records.store import Store
from tests.search.simulation import Driver, KilledError, engine, sweep

RACE: dict[str, Any] = {
    "name": "race",
    "search": {"kind": "optuna", "trials": 8, "seeds": 3, "race": True},
    "methods": {"dropattack": {"targets": ["conv1.w", "fc1.w"], "epsilon": {"low": 0.5, "high": 9}}},
}


CONFIRM: dict[str, Any] = {"name": "confirm", "search": {"kind": "confirm", "seeds": [7, 8]}}


def _definition() -> Sweep:
    return sweep(stages=[RACE, CONFIRM], seeds=[0, 1, 2], training={"epochs": 2})


def _opened(store: Store, definition: Sweep) -> Engine:
    store.define(definition)
    return engine(store.folder(definition.name), definition)


def test_what_a_race_saved_is_noted_when_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A race of eight on three seeds may take 24; a sweep that is resumed knows again that it took fewer."""
    store, definition = Store(tmp_path), _definition()
    seen, note_total = list[int](), store.note_total

    def note(name: str, total: int) -> None:
        seen.append(total)
        note_total(name, total)

    monkeypatch.setattr(store, "note_total", note)
    for epochs in (28, 2):
        opened = _opened(store, definition)
        assert opened.total == 24 + 4, "the best configuration and plain training on two seeds"
        store.note_total(definition.name, opened.total)
        status = Status(definition, opened.records, opened.total)
        opened.listeners.append(Expected(opened, definition, store, status))
        with suppress(KilledError):
            Driver(opened).run(epochs)
        raced = sum(record.stage == "race" for record in opened.records)
        assert raced < 24
        assert status.total == opened.total == raced + 4
        assert standing_of(Store(tmp_path), definition.name).status.total == raced + 4
    assert seen == [28, raced + 4] * 2


def test_a_run_of_some_workloads_changes_no_note(tmp_path: Path) -> None:
    """It knows less than the whole sweep."""
    store, definition = Store(tmp_path), _definition()
    opened = _opened(store, definition)
    store.note_total(definition.name, 99)
    status = Status(definition, [], opened.total)
    opened.listeners.append(Expected(opened, _definition(), store, status))
    Driver(opened).run()
    assert status.total == opened.total < 28
    assert store.total(definition.name) == 99
