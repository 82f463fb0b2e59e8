"""Sweeps killed at every named point and at random; `make chaos` runs all, `make test-processes` a few."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from search.definition.sweepfile import parse_sweep
from search.records.record import State
from search.records.store import Store
from tests.chaos.harness import GRID, ONE_AT_A_TIME, SEARCH, Sweeping, check, table, timeless
from tests.docker.native import free_port
from tests.patience import watched
from tests.search import trained
from trainables.training.loop import Training
from trainables.workloads import workload_named

pytestmark = pytest.mark.heavy
slow = pytest.mark.slow
DRIVER_FAULTS = [
    "after-store:9",
    pytest.param("before-add:3", marks=slow),
    pytest.param("after-add:4", marks=slow),
    pytest.param("before-store:8", marks=slow),
    pytest.param("before-tell:3", marks=slow),
    pytest.param("after-tell:3", marks=slow),
    pytest.param("before-mlflow:2", marks=slow),
    pytest.param("after-mlflow-create:3", marks=slow),
    pytest.param("after-mlflow:4", marks=slow),
]
SWEEPS = {"grid": GRID, "search": SEARCH | ONE_AT_A_TIME}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORKER_FAULTS = ["worker-mid-checkpoint:4", pytest.param("worker-after-epoch:5", marks=slow)]


@cache
def undisturbed(name: str) -> list[Any]:
    """What a sweep gives that nothing happens to, without processes, Ray, or MLflow."""
    with tempfile.TemporaryDirectory() as folder:
        return table(trained.run(parse_sweep(SWEEPS[name]), Store(Path(folder))).records)


@pytest.mark.parametrize("fault", DRIVER_FAULTS)
def test_a_driver_killed_at_a_named_point_loses_nothing(tmp_path: Path, fault: str) -> None:
    sweeping = Sweeping(tmp_path, GRID)
    assert sweeping.run(fault) == -signal.SIGKILL
    assert sweeping.faulted()
    assert table(sweeping.finish()) == undisturbed("grid")
    check(sweeping, interruptions=1)


@pytest.mark.parametrize("fault", WORKER_FAULTS)
def test_a_worker_that_dies_costs_an_epoch_and_no_trial(tmp_path: Path, fault: str) -> None:
    sweeping = Sweeping(tmp_path, GRID)
    assert sweeping.run(fault) == 0, "the sweep goes on by itself"
    assert sweeping.faulted()
    assert table(sweeping.records()) == undisturbed("grid")
    check(sweeping, interruptions=1)


@slow
@pytest.mark.parametrize("seed", range(20))
def test_a_driver_killed_at_random_ends_as_if_it_had_not_been(tmp_path: Path, seed: int) -> None:
    """One time by SIGKILL, after which nothing is tidied up, and one time by any of three signals."""
    drawn = random.Random(seed)
    kills = [(drawn.randint(1, 15), signal.SIGKILL), (drawn.randint(1, 15), drawn.choice(SIGNALS))]
    name = ("grid", "search")[seed % 2]
    sweeping = Sweeping(tmp_path, SWEEPS[name])
    for epochs, number in drawn.sample(kills, 2):
        sweeping.run_and_kill(epochs, number)
    assert table(sweeping.finish()) == undisturbed(name)
    check(sweeping, interruptions=len(kills))


@slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_search_side_by_side_records_what_each_trial_gives_alone(tmp_path: Path, seed: int) -> None:
    """What such a search chooses depends on timing; what it records does not."""
    sweeping = Sweeping(tmp_path, SEARCH)
    for epochs in [random.Random(seed).randint(3, 12) for _ in range(2)]:
        sweeping.run_and_kill(epochs)
    records = sweeping.finish()
    check(sweeping, interruptions=2)
    workload = workload_named(GRID["workload"])
    for record in records:
        alone = Training(record.trial, workload.load(tmp_path, record.trial.data))
        assert [timeless(alone.epoch()) for _ in record.epochs] == [timeless(m) for m in record.epochs]


@slow
def test_a_store_that_is_moved_and_whose_runs_are_deleted_between_kills_goes_on(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there, moved"
    Sweeping(here, GRID).run_and_kill(6)
    client, runs = _shown(here)
    for run in runs[:3]:
        client.delete_run(run.info.run_id)
    here.rename(there)
    moved = Sweeping(there, GRID)
    moved.run_and_kill(6)
    client, runs = _shown(there)
    client.delete_experiment(runs[0].info.experiment_id)
    assert table(moved.finish()) == undisturbed("grid")
    check(moved, interruptions=2)
    assert not here.exists()


def _shown(folder: Path) -> tuple[MlflowClient, list[Run]]:
    """MLflow's client, and its runs of the sweep."""
    client = MlflowClient(f"sqlite:///{folder / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    return client, list(client.search_runs([experiment.experiment_id]))


OUTSIDE = """
import sys
from pathlib import Path

from trainables import Workload
from trainables.datasets.digits import Digits
from trainables.models.lenet5 import LeNet5Architecture


class Broken(LeNet5Architecture):
    def build(self, data):
        if "default_worker" in sys.argv[0] and Path({broken!r}).exists():
            raise RuntimeError("the node lacks a library")
        return super().build(data)


def digits():
    return Workload(name="digits", summary="Digits.", dataset=Digits(), architecture=Broken())
"""


@slow
def test_trials_that_are_tried_again_lose_nothing_to_kills_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    (tmp_path / "outside.py").write_text(OUTSIDE.format(broken=str(broken)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    sweep = GRID | {"workload": "outside:digits"}
    assert Sweeping(tmp_path / "runs", sweep).run() == 1
    broken.unlink()
    again = Sweeping(tmp_path / "runs", sweep, "--retry-failed")
    assert {record.state for record in again.records()} == {State.FAILED}
    for _ in range(2):
        again.run_and_kill(4)
    assert {record.state for record in again.finish()} == {State.COMPLETE}
    check(again, interruptions=2)


@slow
def test_a_torn_journal_costs_its_last_line(tmp_path: Path) -> None:
    sweeping = Sweeping(tmp_path, GRID)
    for _ in range(2):
        sweeping.run_and_kill(6)
        journal = tmp_path / "runs" / "sweeps" / "chaos" / "journal.log"
        journal.write_bytes(journal.read_bytes()[:-9])
    assert table(sweeping.finish()) == undisturbed("grid")


@slow
def test_a_tracking_server_that_comes_and_goes_delays_the_picture_only(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "runs").mkdir()
    database = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--default-artifact-root", str(tmp_path / "artifacts")]

    def serve() -> "subprocess.Popen[bytes]":
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return subprocess.Popen(
            [sys.executable, *command],
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(server: "subprocess.Popen[bytes]") -> None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    sweeping = Sweeping(tmp_path, GRID, "--tracking-uri", f"http://127.0.0.1:{port}")
    server = serve()
    try:
        driver = sweeping.start()
        assert watched(driver, tmp_path, until=lambda: len(sweeping.ledger()) >= 6) is None
        kill(server)
        assert watched(driver, tmp_path, until=lambda: len(sweeping.ledger()) >= 14) is None
        server = serve()
        assert watched(driver, tmp_path) == 0
        assert sweeping.run() == 0
    finally:
        kill(server)
    assert table(sweeping.records()) == undisturbed("grid")
    check(sweeping, interruptions=0)


@slow
@pytest.mark.parametrize("answer", ["errors", "nothing"])
def test_a_tracking_server_that_does_not_answer_is_caught_up_with_later(
    tmp_path: Path, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 500 to every request, or none within the timeout; the next run shows all in another server."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    asked = threading.Event()

    class Sick(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            if answer == "nothing":
                time.sleep(5)
            self.send_error(500)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Sick) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sick = Sweeping(tmp_path, GRID, "--tracking-uri", f"http://127.0.0.1:{server.server_port}")
        assert sick.run() == 0
        server.shutdown()
    assert asked.is_set()
    assert "is behind by" in sick.said()
    assert table(sick.records()) == undisturbed("grid")
    well = Sweeping(tmp_path, GRID)
    assert table(well.finish()) == undisturbed("grid")
    check(well, interruptions=0)


@slow
def test_a_full_disk_ends_the_run_in_one_line_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "runs"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a tmpfs can be mounted by root only")
    try:
        sweeping = Sweeping(tmp_path, GRID)
        sweeping.run_and_kill(5)
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(bytes(max(0, free - 300_000)))
        assert sweeping.run() == 1
        assert "can no longer be used" in sweeping.said()
        (disk / "ballast").unlink()
        assert table(sweeping.finish()) == undisturbed("grid")
        check(sweeping, interruptions=2)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)


@slow
def test_two_drivers_at_once_do_not_mix(tmp_path: Path) -> None:
    sweeping = Sweeping(tmp_path, GRID)
    first, second = sweeping.start(), sweeping.start()
    assert {watched(first, tmp_path), watched(second, tmp_path)} == {0, 2}
    assert "is in use by another run" in sweeping.said()
    assert table(sweeping.records()) == undisturbed("grid")
    check(sweeping, interruptions=0)
