"""Ray's start on this machine: from deep folders, at the second attempt, and not at all."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from search.execution import local
from search.execution.errors import RunError

START = """
import os, ray
from search.execution import local
local.start({"num_cpus": 1, "log_to_driver": False})
ask = ray.remote(lambda: (os.nice(0), os.environ["RAY_worker_niceness"]))
print(*ray.get(ask.remote()), ray._private.worker._global_node.get_session_dir_path())
"""


def _start(**changes: str) -> tuple[int, str, str]:
    """Starts Ray in a process of its own; gives a worker's niceness, what was added, and Ray's folder."""
    environment = {n: v for n, v in os.environ.items() if n not in ("RAY_worker_niceness", "RAY_TMPDIR")}
    command = [sys.executable, "-c", START]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment | {"TMPDIR": "/tmp"} | changes
    )
    assert done.returncode == 0, done.stderr
    niceness, added, folder = done.stdout.split()
    return int(niceness), added, folder


@pytest.mark.heavy
def test_workers_are_as_nice_as_who_starts_them_unless_one_asks_for_more() -> None:
    own = os.nice(0)
    assert _start()[:2] == (own, "0")
    assert _start(RAY_worker_niceness="3")[:2] == (own + 3, "3")


@pytest.mark.heavy
@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_deep_folder_is_left_for_a_short_one_that_goes_away(tmp_path: Path, variable: str) -> None:
    deep = tmp_path / ("d" * 79)
    deep.mkdir()
    folder = Path(_start(**{variable: str(deep)})[2])
    assert not folder.is_relative_to(deep)
    assert not folder.parent.exists()


@pytest.mark.heavy
def test_a_folder_that_is_short_enough_is_kept() -> None:
    assert _start()[2].startswith("/tmp/ray/")


@pytest.mark.parametrize(("length", "enough"), [(37, True), (60, False)])
def test_how_deep_a_folder_may_be(length: int, enough: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/" + "d" * (length - 1))
    given: list[str] = []
    monkeypatch.setattr(local.tempfile, "mkdtemp", lambda prefix, dir: given.append(dir) or "/given")
    monkeypatch.setattr(local.atexit, "register", lambda *_: None)
    assert (local._short_folder() is None) == enough
    assert bool(given) != enough


class Unwilling:
    """A Ray that starts at the last of some attempts, in place of any that runs in this process."""

    def __init__(self, failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures = failures
        self.attempts = 0
        monkeypatch.setattr(ray, "init", self.init)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        monkeypatch.setenv("RAY_worker_niceness", "0")

    def init(self, **_: Any) -> None:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise Exception("The current node timed out during startup. This could happen.\nMore.")


def test_it_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    unwilling = Unwilling(1, monkeypatch)
    local.start({})
    assert unwilling.attempts == 2


def test_what_fails_twice_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    unwilling = Unwilling(10, monkeypatch)
    with pytest.raises(RunError, match="timed out during startup") as raised:
        local.start({})
    assert unwilling.attempts == 2
    assert len(str(raised.value).splitlines()) == 1


HALF = """
import os, subprocess
from pathlib import Path
from ray._private.node import Node
from search.execution import local
def fails(self):
    raise Exception("the second half does not start")
Node.start_ray_processes = fails
try:
    local.start({})
except RuntimeError as error:
    print(error)
print(Path(f"/proc/self/task/{os.getpid()}/children").read_text().strip())
"""


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for child processes")
def test_processes_of_a_half_started_ray_are_ended() -> None:
    done = subprocess.run([sys.executable, "-c", HALF], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[0].startswith("Ray cannot start on this machine (the second half"), done
    assert done.stdout.splitlines()[1:] == [""]


@pytest.mark.heavy
def test_a_run_whose_ray_cannot_start_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "search", "run", "demo", "--store", str(tmp_path / "runs")]
    environment = os.environ | {"RAY_TMPDIR": "/dev/null"}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Ray cannot start on this machine" in done.stderr
    assert not (tmp_path / "runs").exists()
