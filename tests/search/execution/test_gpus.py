"""Trials side by side on a GPU, with GPUs that Ray counts and that are not there."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dropattack import UsageError
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.execution import gpus, tuning
from search.execution.gpus import Memory
from search.records.journal import Journal
from search.records.record import State
from trainables.gpu import CONTEXT_BYTES, share_problem
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

GIB = 2**30


@pytest.mark.parametrize(
    ("peak", "total", "trials"),
    [
        (2 * GIB, 16 * GIB, 4),
        (1 * GIB, 80 * GIB, 35),
        (10 * GIB, 16 * GIB, 1),
        (20 * GIB, 16 * GIB, 1),
        (GIB // 100, 16 * GIB, 12),
    ],
)
def test_as_many_trials_share_a_gpu_as_its_memory_holds(peak: int, total: int, trials: int) -> None:
    part = gpus.share(Memory(peak, total))
    assert int(1 / part) == trials
    assert part * 10_000 == pytest.approx(round(part * 10_000)), "Ray counts in ten-thousandths"
    assert trials == 1 or trials * (peak + CONTEXT_BYTES) <= total
    assert share_problem(part, total) == "", "a share that is measured works"


def test_what_cannot_be_measured_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    trial = Trial.make("digits-lenet5", "standard", {}, TrainingSettings(), 0, "x")
    with pytest.raises(UsageError, match="CUDA"):
        gpus.measure_here(trial, Path(), compiled=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_trial_is_measured_on_a_real_gpu(tmp_path: Path) -> None:
    checksum = workload_named("digits-lenet5").checksum(tmp_path)
    trial = Trial.make("digits-lenet5", "standard", {}, TrainingSettings(), 0, checksum)
    memory = gpus.measure_here(trial, tmp_path, compiled=False)
    assert 0 < memory.peak < GIB < memory.total


@pytest.mark.parametrize("count", [1.5, -1, "all"])
def test_gpus_are_a_share_a_whole_number_or_auto(count: float | str) -> None:
    with pytest.raises(UsageError, match="gpus"):
        parse_sweep(_raw([0.1]) | {"resources": {"gpus": count}})


def test_the_attacks_of_a_last_epoch_are_measured_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, float]] = []
    epoch = Training.epoch
    monkeypatch.setattr(gpus, "device_for", lambda _: torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: GIB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 16 * GIB))
    monkeypatch.setattr(Training, "epoch", lambda self: seen.append(epoch(self)))
    settings = TrainingSettings(epochs=5, train_size=60, robustness="fgsm-of-20:0.1", schedule="one-cycle")
    checksum = workload_named("digits-lenet5").checksum(tmp_path)
    trial = Trial.make("digits-lenet5", "dropattack", {"targets": "input"}, settings, 0, checksum)
    assert gpus.measure_here(trial, tmp_path, compiled=False) == Memory(GIB, 16 * GIB)
    assert len(seen) == 1
    assert "test_accuracy" in seen[0]
    assert [name for name in seen[0] if name.startswith("test_fgsm")]


def _raw(wants: list[float]) -> dict[str, Any]:
    return {
        "name": "crowded",
        "workload": "tests.search.crowded:workload",
        "training": {"epochs": 1, "train_size": 200},
        "model": {"wants": wants},
        "resources": {"cpus": 0.5, "gpus": "auto"},
        "stages": [{"name": "grid", "methods": {"standard": {}}}],
    }


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_trial_out_of_memory_is_tried_once_more_alone_and_then_fails(tmp_path: Path) -> None:
    definition = parse_sweep(_raw([0.1, 0.6, 2]))
    checksum = workload_named("digits-lenet5").checksum(tmp_path)
    journal = Journal(tmp_path / "journal.log", definition.select)
    engine = Engine(definition, journal, lambda *_: checksum)
    measured: list[str] = []

    def measure(trial: Trial, data: Path, compiled: bool) -> Memory:
        measured.append(trial.key)
        return Memory(peak=2 * GIB, total=16 * GIB)

    tuning.run(engine, tmp_path, tmp_path, measure=measure)
    states = {record.trial.model["wants"]: record.state for record in engine.records}
    assert states == {0.1: State.COMPLETE, 0.6: State.COMPLETE, 2: State.FAILED}
    assert measured == [engine.records[0].key]
    (failed,) = [record for record in engine.records if record.state is State.FAILED]
    assert failed.reason == "out of GPU memory: tried to allocate 2.0 of a GPU and has 1.0"
