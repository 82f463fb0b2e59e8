"""Arithmetic as a setting of a trial."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.precision import arithmetic
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


def test_bfloat16_is_the_steps_alone() -> None:
    data = workload_named("digits-lenet5").load(Path("unused"))
    exact, rounded = (Training(trial(precision), data) for precision in ("float32", "bfloat16"))
    assert exact.method.task.autocast is None
    assert rounded.method.task.autocast is torch.bfloat16
    assert {parameter.dtype for parameter in rounded.model.parameters()} == {torch.float32}
