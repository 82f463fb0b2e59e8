"""Sweeps whose processes really die, run from the command line to their report."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from search.records.record import same_result
from tests.chaos.harness import Sweeping, check, damage_to
from trainables.training.loop import Training
from trainables.workloads import workload_named

pytestmark = pytest.mark.heavy
SWEEP: dict[str, Any] = {
    "name": "chaos",
    "workload": "digits-lenet5",
    "training": {"epochs": 3, "learning_rate": 0.003, "train_size": 200},
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


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("lanes", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_driver_killed_half_way_and_run_again_ends_as_an_undisturbed_one(
    tmp_path: Path, command: Callable[..., Result], lanes: int
) -> None:
    sweeping = Sweeping(tmp_path, SWEEP | {"resources": {"lanes": lanes}})
    assert sweeping.run("after-store:12") == -signal.SIGKILL
    before = {(r.stage, r.number): list(r.epochs) for r in sweeping.records()}
    assert sum(map(len, before.values())) == 12
    records = sweeping.finish()

    assert len(records) == 6 + 6 + 2, "an undisturbed sweep has that many trials"
    assert all(record.finished for record in records)
    trained = [record.key for record in records if not record.reused_from]
    assert len(trained) == len(set(trained)), "a trial was trained twice"
    for record in records:
        kept = before.get((record.stage, record.number), [])
        assert record.epochs[: len(kept)] == kept, "a recorded result was lost or changed"

    damage = damage_to(sweeping)
    assert damage.runs == damage.trials == len(set(trained)), "MLflow shows each key once"
    assert damage.left_running == 0

    for record in records[:1] + records[-1:]:
        alone = Training(record.trial, workload_named(record.trial.workload).load(tmp_path))
        for recorded in record.epochs:
            now = {**alone.epoch(), "recorded_at": 0.0}
            if lanes == 1:
                assert same_result(now, recorded), "the key gave another result when it was trained alone"
            else:
                assert now["train_loss"] == pytest.approx(recorded["train_loss"], abs=0.05)
    if lanes == 1:
        check(sweeping, interruptions=1)

    report = tmp_path / "runs" / "sweeps" / "chaos" / "report" / "report.html"
    assert report.stat().st_size > 10_000
    assert f"<span>torch {torch.__version__}</span>" in report.read_text(encoding="utf-8")
    again = command("run", "sweep.yaml")
    assert again.exit_code == 0
    assert [record.epochs for record in sweeping.records()] == [record.epochs for record in records]


@pytest.mark.slow
def test_a_process_that_dies_between_two_stacks_is_replaced(tmp_path: Path) -> None:
    """Once before a stack of two trials, and once before a trial that trains alone."""
    sweep = {
        "name": "chaos",
        "workload": "tests.search.mortal:workload",
        "training": {"epochs": 2, "train_size": 200},
        "seeds": [0, 1, 2, 3],
        "resources": {"lanes": 2, "concurrent": 1},
        "stages": [{"name": "grid", "methods": {"standard": {}, "fgm": {}}}],
    }
    sweeping = Sweeping(tmp_path, sweep)
    assert len(sweeping.finish()) == 8
    deaths = (tmp_path / "runs" / "sweeps" / "chaos").glob("died-*")
    assert sorted(path.name for path in deaths) == ["died-1", "died-2"]
    assert "8 complete" in sweeping.said()
    assert "Error" not in sweeping.said()
