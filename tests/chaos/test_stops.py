"""Sweeps that are asked to stop, as a terminal, a container or a service manager asks, at some moments."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.chaos.harness import GRID, Sweeping, check, table
from tests.patience import PATIENCE_SECONDS, watched

pytestmark = pytest.mark.heavy
SMALL = GRID | {"seeds": [0], "stages": [{"name": "grid", "methods": {"standard": {}, "fgm": {}, "pgd": {}}}]}
EPOCHS = 9
"""Of the whole grid: three trials of three."""

MOMENTS: dict[str, Callable[[Sweeping], bool]] = {
    "starting": lambda sweeping: (sweeping.folder / "runs" / "sweeps" / "chaos" / "run.lock").exists(),
    "training": lambda sweeping: len(sweeping.ledger()) >= 2,
    "ending": lambda sweeping: len(sweeping.ledger()) >= EPOCHS,
    "reporting": lambda sweeping: _log(sweeping).count(" complete, ") >= 3,
}


def _log(sweeping: Sweeping) -> str:
    path = sweeping.folder / "runs" / "sweeps" / "chaos" / "sweep.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _members(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def _all_gone(session: int) -> bool:
    since = time.monotonic()
    while (left := _members(session)) and time.monotonic() - since < PATIENCE_SECONDS:
        time.sleep(0.1)
    return not left


def _statuses(folder: Path) -> list[str]:
    """Of all runs in MLflow; nothing where it has none."""
    path = folder / "runs" / "mlflow.db"
    if not path.exists():
        return []
    client = MlflowClient(f"sqlite:///{path}")
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    return [run.info.status for run in client.search_runs([experiment.experiment_id], max_results=1000)]


@pytest.mark.parametrize(
    ("number", "moment", "times"),
    [
        (signal.SIGTERM, "training", 1),
        pytest.param(signal.SIGTERM, "starting", 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "ending", 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "reporting", 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "reporting", 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "training", 2, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "training", 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "starting", 1, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_asked_to_stop_closes_everything_and_goes_on_later(
    tmp_path: Path, number: signal.Signals, moment: str, times: int
) -> None:
    sweeping = Sweeping(tmp_path, SMALL)
    driver = sweeping.start()
    assert watched(driver, tmp_path, lambda: MOMENTS[moment](sweeping)) is None, "it ended before that"
    for _ in range(times):
        os.kill(driver.pid, number)
        time.sleep(0.5)
    status = watched(driver, tmp_path)
    output = (tmp_path / "driver.log").read_text(encoding="utf-8")
    ended = moment in ("ending", "reporting") and all(record.finished for record in sweeping.records())
    assert status == 1 or (status == 0 and ended), output
    assert "Traceback" not in output
    assert "***" not in output, "a stack was dumped"
    assert _all_gone(driver.pid)
    assert "RUNNING" not in _statuses(tmp_path), output
    if moment == "starting":
        assert not (tmp_path / "runs").exists()
    interrupted = sweeping.records() if moment == "training" else []
    assert sweeping.run() == 0
    assert set(_statuses(tmp_path)) == {"FINISHED"}
    check(sweeping, interruptions=1)
    kept = {(stage, key): epochs for stage, key, _, epochs in table(sweeping.records())}
    for stage, key, _, epochs in table(interrupted):
        assert kept[stage, key][: len(epochs)] == epochs


@pytest.mark.slow
def test_a_service_manager_that_ends_ray_too_leaves_nothing_running(tmp_path: Path) -> None:
    sweeping = Sweeping(tmp_path, SMALL)
    driver = sweeping.start()
    assert watched(driver, tmp_path, lambda: MOMENTS["training"](sweeping)) is None
    for process in _members(driver.pid):
        os.kill(process, signal.SIGTERM)
    assert watched(driver, tmp_path) == 1
    assert _all_gone(driver.pid)
    assert "RUNNING" not in _statuses(tmp_path)
    assert sweeping.run() == 0
    check(sweeping, interruptions=1)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 3.0])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_whose_ray_is_gone_closes_everything_when_it_is_asked_to_stop(
    tmp_path: Path, number: signal.Signals, seconds: float
) -> None:
    """After some seconds Ray keeps the main thread; the exit status says which of the two ends it was."""
    sweeping = Sweeping(tmp_path, SMALL | {"training": {"epochs": 30, "train_size": 400}})
    driver = sweeping.start()
    assert watched(driver, tmp_path, lambda: MOMENTS["training"](sweeping)) is None
    for process in set(_members(driver.pid)) - {driver.pid}:
        with suppress(ProcessLookupError):
            os.kill(process, number)
    time.sleep(seconds)
    os.kill(driver.pid, signal.SIGTERM)
    assert watched(driver, tmp_path) in (1, 128 + signal.SIGTERM)
    assert "run the same command again to go on" in sweeping.said()
    assert _all_gone(driver.pid)
    assert "RUNNING" not in _statuses(tmp_path)
