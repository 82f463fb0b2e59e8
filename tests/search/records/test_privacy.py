"""A store that is closed to others stays so, with all that is written into it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from dropattack import UsageError
from search.console.options import store_folder
from search.records.privacy import make_private
from search.records.store import Store
from tests.search.simulation import Driver, engine, sweep

GRID = [{"name": "grid", "methods": {"standard": {}}}]


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def fill(root: Path) -> None:
    store, definition = Store(root), sweep(stages=GRID)
    store.define(definition)
    Driver(engine(store.folder("small"), definition)).run()
    store.note_extent("small")


def open_to_others(root: Path) -> list[Path]:
    return [path for path in (root, *root.rglob("*")) if path.stat().st_mode & 0o077]


def test_what_is_written_into_a_private_store_is_private(tmp_path: Path) -> None:
    fill(tmp_path / "usual")
    assert open_to_others(tmp_path / "usual")
    make_private(tmp_path / "deep" / "runs")
    fill(tmp_path / "deep" / "runs")
    assert not open_to_others(tmp_path / "deep" / "runs")


def test_later_commands_on_a_private_store_keep_it_so(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o700)
    store_folder(str(tmp_path / "runs"))
    fill(tmp_path / "runs")
    assert not open_to_others(tmp_path / "runs")


def test_a_store_that_was_open_is_closed_at_its_door(tmp_path: Path) -> None:
    fill(tmp_path / "runs")
    make_private(tmp_path / "runs")
    assert (tmp_path / "runs").stat().st_mode & 0o777 == 0o700


def test_one_of_another_user_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chmod(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", chmod)
    with pytest.raises(UsageError, match=r"closed to others \(Operation not permitted\); name"):
        make_private(tmp_path)


def test_a_run_that_is_refused_leaves_none(command: Callable[..., Result], tmp_path: Path) -> None:
    refused = command("run", "mnist-quick", "--private", "--data", str(tmp_path / "none"))
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert not list(tmp_path.iterdir())
