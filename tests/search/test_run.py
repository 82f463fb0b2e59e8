"""Real sweeps in real processes: run, killed, run again, and refused."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import yaml
from mlflow import MlflowClient

from search.definition.sweepfile import parse_sweep
from search.records.journal import Journal
from search.records.record import Record, State, same_result
from trainables.training.loop import Training
from trainables.workloads import workload_named

SWEEP = {
    "name": "small",
    "workload": "digits-lenet5",
    "training": {"epochs": 3, "learning_rate": 0.003},
    "seeds": [0, 1],
    "stages": [
        {"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1.0]}}},
        {
            "name": "search",
            "search": {"kind": "optuna", "trials": 6},
            "scheduler": "asha",
            "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}, "p": [0.3, 0.7]}},
        },
        {"name": "confirm", "search": {"kind": "confirm", "seeds": [7]}},
    ],
}


def _command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "search", *arguments, "--store", str(folder / "runs")]


def _write(folder: Path, sweep: Mapping[str, object]) -> str:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return str(path)


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(folder, *arguments), capture_output=True, text=True, check=False, timeout=300
    )


def _records(folder: Path) -> list[Record]:
    path = folder / "runs" / "sweeps" / "small" / "journal.log"
    return Journal(path, parse_sweep(SWEEP).select, writable=False).records


def _kill_after(folder: Path, sweep: str, epochs: int) -> None:
    """Runs the sweep and kills its driver as soon as that many epochs are on record."""
    with (folder / "driver.log").open("wb") as log:
        driver = subprocess.Popen(
            _command(folder, "run", sweep), stdout=log, stderr=log, start_new_session=True
        )
        deadline = time.monotonic() + 120
        while sum(len(record.epochs) for record in _records(folder)) < epochs:
            assert driver.poll() is None, (folder / "driver.log").read_text()
            assert time.monotonic() < deadline, "the sweep made no progress"
            time.sleep(0.05)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_driver_killed_half_way_and_run_again_ends_as_an_undisturbed_one(
    tmp_path: Path, lanes: int
) -> None:
    sweep = _write(tmp_path, SWEEP | {"resources": {"lanes": lanes}})
    _kill_after(tmp_path, sweep, epochs=12)
    before = {(r.stage, r.number): list(r.epochs) for r in _records(tmp_path)}
    finished = _run(tmp_path, "run", sweep)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    records = _records(tmp_path)

    assert len(records) == 6 + 6 + 2, "an undisturbed sweep has that many trials"
    assert all(record.finished for record in records)
    trained = [record.key for record in records if not record.reused_from]
    assert len(trained) == len(set(trained)), "a trial was trained twice"
    for record in records:
        kept = before.get((record.stage, record.number), [])
        assert record.epochs[: len(kept)] == kept, "a recorded result was lost or changed"

    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    shown = [run.data.tags["dropattack.key"] for run in runs if "dropattack.key" in run.data.tags]
    assert sorted(shown) == sorted(set(trained)), "MLflow shows each key once"
    assert not [run for run in runs if run.info.status == "RUNNING"]

    torch.set_num_threads(1)
    for record in records[:1] + records[-1:]:
        alone = Training(record.trial, workload_named(record.trial.workload).load(tmp_path))
        for recorded in record.epochs:
            now = {**alone.epoch(), "recorded_at": 0.0}
            if lanes == 1:
                assert same_result(now, recorded), "the key gave another result when it was trained alone"
            else:
                assert now["train_loss"] == pytest.approx(recorded["train_loss"], abs=0.05)

    report = tmp_path / "runs" / "sweeps" / "small" / "report" / "report.html"
    assert report.stat().st_size > 10_000
    assert f"<span>torch {torch.__version__}</span>" in report.read_text(encoding="utf-8")
    again = _run(tmp_path, "run", sweep)
    assert again.returncode == 0
    assert len(_records(tmp_path)) == len(records)


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_process_that_dies_between_two_trials_is_replaced(tmp_path: Path, lanes: int) -> None:
    sweep = {
        "name": "small",
        "workload": "tests.search.mortal:workload",
        "training": {"epochs": 2},
        "seeds": [0, 1, 2, 3],
        "resources": {"lanes": lanes, "concurrent": 1},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    finished = _run(tmp_path, "run", _write(tmp_path, sweep))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert (tmp_path / "runs" / "sweeps" / "small" / "died").exists()
    assert "4 complete" in finished.stdout
    assert "Error" not in finished.stdout + finished.stderr


def test_a_trial_that_diverges_is_recorded_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    sweep = {
        "name": "small",
        "workload": "digits-lenet5",
        "training": {"epochs": 1, "learning_rate": [0.001, 1e30]},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    finished = _run(tmp_path, "run", _write(tmp_path, sweep))
    assert finished.returncode == 1
    assert "1 complete" in finished.stdout
    assert "1 failed" in finished.stdout
    assert "training loss became nan" in finished.stdout
    states = sorted(record.state for record in _records(tmp_path))
    assert states == [State.COMPLETE, State.FAILED]
    report = tmp_path / "runs" / "sweeps" / "small" / "report" / "report.html"
    assert "training loss became nan" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "demo", "--set", "stages.search.methods.dropattack.p={low: 0, high: 2}"],
            "p must be 0 to 1",
        ),
        (["run", "demmo"], "did you mean 'demo'"),
        (
            ["run", "demo", "--set", "workload=mnist-lenet5", "--data", "nowhere"],
            "no folder nowhere",
        ),
        (["run", "demo", "--set", "training.train_size=1300"], "more than the 1,197 examples"),
        (
            ["run", "demo", "--set", "stages.baseline.exclude=[{method: standard}]"],
            "exclude leaves nothing of its space",
        ),
        (
            ["run", "demo", "--set", "stages.search.search.warm_start=[elsewhere]"],
            "unknown sweep in warm_start 'elsewhere'",
        ),
        (["report", "demo"], "has not been run"),
        (["ui"], "run a sweep first"),
        (["targets", "digits"], "did you mean 'digits-lenet5'"),
    ],
)
def test_a_wrong_request_gets_one_line_and_status_2_and_starts_nothing(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    command = (
        _command(tmp_path, *arguments) if arguments[0] != "targets" else _command(tmp_path, *arguments)[:-2]
    )
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_a_changed_sweep_is_refused_before_anything_is_lost(tmp_path: Path) -> None:
    sweep = {
        "name": "small",
        "workload": "digits-lenet5",
        "training": {"epochs": 1},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }
    assert _run(tmp_path, "run", _write(tmp_path, sweep)).returncode == 0
    journal = (tmp_path / "runs" / "sweeps" / "small" / "journal.log").read_bytes()
    refused = _run(tmp_path, "run", _write(tmp_path, sweep | {"training": {"epochs": 2}}))
    assert refused.returncode == 2
    assert "another definition of epochs" in refused.stderr
    assert (tmp_path / "runs" / "sweeps" / "small" / "journal.log").read_bytes() == journal
