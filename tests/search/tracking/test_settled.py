"""A store is settled until any file changes that MLflow or the report shows, by whomever."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from search.records.store import Store
from search.tracking.settled import is_settled, note_settled

FILES = (
    "mlflow.db",
    "artifacts/1/model.pt",
    "sweeps/small/journal.log",
    "sweeps/small/robustness.json",
    "sweeps/small/report/report.html",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("some", encoding="utf-8")
    return Store(tmp_path)


def grow(path: Path) -> None:
    path.write_text("more text", encoding="utf-8")


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_a_store_is_settled_once_that_is_noted(store: Store) -> None:
    assert not is_settled(store, "small")
    note_settled(store, "small")
    assert is_settled(store, "small")
    assert not is_settled(store, "other")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [grow, touch, Path.unlink])
def test_any_change_unsettles_it(store: Store, name: str, change: Callable[[Path], None]) -> None:
    note_settled(store, "small")
    change(store.root / name)
    assert not is_settled(store, "small")


@pytest.mark.parametrize("name", ["mlflow.db-wal", "artifacts/1/new.pt"])
def test_so_does_a_new_file(store: Store, name: str) -> None:
    note_settled(store, "small")
    (store.root / name).touch()
    assert not is_settled(store, "small")


def test_other_sweeps_do_not(store: Store) -> None:
    note_settled(store, "small")
    other = store.journal_path("other")
    other.parent.mkdir()
    other.touch()
    assert is_settled(store, "small")
