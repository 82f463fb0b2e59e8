"""Arithmetic as a setting of a trial."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.lanes import Lanes
from trainables.precision import arithmetic, autocast
from trainables.training import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named


def trial(precision: str, seed: int = 0) -> Trial:
    settings = TrainingSettings(epochs=1, train_size=64, precision=precision)
    hyperparameters = {"targets": "input+conv1.w", "epsilon": 0.5}
    return Trial.make("digits-lenet5", "dropattack", hyperparameters, settings, seed, "c")


def flags() -> list[str]:
    backends: Any = torch.backends
    return [kind.fp32_precision for kind in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)]


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee")]
)
def test_flags_hold_within_and_are_restored(precision: str, expected: str) -> None:
    before = flags()
    with arithmetic(precision):
        assert flags() == [expected] * 3
    assert flags() == before


def test_precision_is_part_of_a_trial() -> None:
    assert len({trial(precision).key for precision in ("float32", "tf32", "bfloat16")}) == 3


def test_bfloat16_rounds_the_passes_and_keeps_the_parameters() -> None:
    data = workload_named("digits-lenet5").load(Path("unused"))
    exact, rounded = (Training(trial(precision), data) for precision in ("float32", "bfloat16"))
    expected, found = exact.epoch(), rounded.epoch()
    assert autocast("bfloat16") is torch.bfloat16
    assert {parameter.dtype for parameter in rounded.model.parameters()} == {torch.float32}
    assert found["train_loss"] != expected["train_loss"]
    assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=0.05)


def test_lanes_in_bfloat16_are_near_their_trials_alone() -> None:
    data = workload_named("digits-lenet5").load(Path("unused"))
    trials = [trial("bfloat16", seed) for seed in (0, 1)]
    found = Lanes.of(trials, data).epoch()
    for one in trials:
        metrics = found[one.key]
        assert isinstance(metrics, dict)
        assert metrics["train_loss"] == pytest.approx(Training(one, data).epoch()["train_loss"], rel=0.05)
