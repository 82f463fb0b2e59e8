"""The folder of a driver is removed by it, or after it was killed by the next one; nothing else is."""

import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from search.execution.scratch import scratch_folder

_DRIVER = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from search.execution.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "state").mkdir()
    (folder / "state" / "link").symlink_to(sys.argv[2])
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "place").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "place"))


def _there(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "place").iterdir()}


def test_it_is_gone_at_the_end_also_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder() as folder:
            assert _there(tmp_path) == {folder.name}
            (folder / "file").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert _there(tmp_path) == set()


@pytest.mark.heavy
def test_that_of_a_killed_driver_goes_with_the_next_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    """What a link in it leads to stays too."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    command = [sys.executable, "-c", _DRIVER, str(tmp_path / "place"), str(precious)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        folder = Path(driver.stdout.readline().strip())
        with scratch_folder() as own, scratch_folder() as other:
            assert _there(tmp_path) == {folder.name, own.name, other.name}
        assert _there(tmp_path) == {folder.name}
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    assert (folder / "state" / "link").is_symlink()
    with scratch_folder() as own:
        assert _there(tmp_path) == {own.name}
    assert (precious / "file").exists()


MINE = f"dropattack-tune-{platform.node()}-"


def _abandoned(folder: Path) -> Path:
    folder.mkdir()
    (folder / "driver.lock").touch()
    return folder


def test_only_what_is_certainly_left_behind_goes(tmp_path: Path) -> None:
    """Not links to folders, those whose lock is a link, a pipe or missing, nor another node's."""
    place = tmp_path / "place"
    _abandoned(place / f"{MINE}gone")
    (place / f"{MINE}link").symlink_to(_abandoned(tmp_path / "elsewhere"))
    (place / f"{MINE}new").mkdir()
    (place / f"{MINE}file").touch()
    for name in ("linked", "pipe"):
        (place / f"{MINE}{name}").mkdir()
    (place / f"{MINE}linked" / "driver.lock").symlink_to(tmp_path / "elsewhere" / "driver.lock")
    os.mkfifo(place / f"{MINE}pipe" / "driver.lock")
    _abandoned(place / "mine")
    _abandoned(place / "dropattack-tune-another-node-gone")
    before = _there(tmp_path)
    with scratch_folder() as own:
        assert before - _there(tmp_path) == {f"{MINE}gone"}
        assert _there(tmp_path) - before == {own.name}
    assert (tmp_path / "elsewhere" / "driver.lock").exists()


def test_another_users_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, user = _abandoned(tmp_path / "place" / f"{MINE}theirs"), os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with scratch_folder():
        assert folder.exists()
