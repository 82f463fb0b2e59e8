"""Arithmetic as a setting of a trial."""

from pathlib import Path

import pytest
import torch

from trainables.recipe.precision import arithmetic
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named


def trial(precision: str, seed: int = 0) -> Trial:
    settings = TrainingSettings(epochs=1, train_size=64, precision=precision)
    hyperparameters = {"targets": "input+conv1.w", "epsilon": 0.5}
    return Trial.make("digits-lenet5", "dropattack", hyperparameters, settings, seed, "c")


def flags() -> list[bool]:
    return [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("tf32", True), ("bfloat16", False)])
def test_flags_hold_within_and_are_restored(precision: str, expected: bool) -> None:
    before = flags()
    with arithmetic(precision):
        assert flags() == [expected] * 2
        with torch.backends.cudnn.flags(enabled=False):
            pass
    assert flags() == before


def test_precision_is_part_of_a_trial() -> None:
    assert len({trial(precision).key for precision in ("float32", "tf32", "bfloat16")}) == 3


def test_bfloat16_is_the_steps_alone() -> None:
    data = workload_named("digits-lenet5").load(Path("unused"))
    exact, rounded = (Training(trial(precision), data) for precision in ("float32", "bfloat16"))
    assert exact.method.task.autocast is None
    assert rounded.method.task.autocast is torch.bfloat16
    assert {parameter.dtype for parameter in rounded.model.parameters()} == {torch.float32}
