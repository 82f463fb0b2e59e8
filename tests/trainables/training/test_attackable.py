"""Attacks that do not fit the data, refused before anything is trained for them."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dropattack import Batch, UsageError
from dropattack.robustness import UNIT, autoattack, parse_grid
from trainables.data.dataset import Data
from trainables.data.splits import TensorSplit
from trainables.training.attackable import check_attackable
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

TABLE, IMAGES = torch.rand(60, 5), torch.rand(60, 1, 4, 4)


@pytest.mark.parametrize(
    ("inputs", "bounds", "grid", "message"),
    [
        (TABLE, UNIT, "autoattack:0.1", r"autoattack is for images, and .* shape \[5\]; use pgd-50x5"),
        (TABLE, UNIT, "fgsm:0.1+square-5-of-3:0.1", r"square-5-of-3 is for images"),
        (IMAGES * 4 - 2, UNIT, "fgsm:0.1", r"reach from -2 to 2, and attacks would keep them in 0 to 1; set"),
        (IMAGES, (float("-inf"), 1.0), "fgsm:0.1", "no range that attacks could keep to; set"),
        (IMAGES, (torch.zeros(1, 1, 1), torch.full((1, 1, 1), torch.inf)), "fgsm:0.1", "no range"),
        (IMAGES, UNIT, "fgsm:0.1+pgd-l2-3:0.5,4.01", "ε 4.01 of pgd-l2-3 exceeds 4, the largest L2 distance"),
        (TABLE * 90, (0.0, 90.0), "fgm-of-9:3", "ε 3 of fgm-of-9 exceeds 2.24, the largest L2 distance"),
        (IMAGES, UNIT, "noise-l2-3:4", ""),
        (TABLE * 4 - 2, (-2.0, 2.0), "pgd-3:0.1", ""),
        (IMAGES * 4 - 2, (-2.0, 2.0), "autoattack:0.1", ""),
        (IMAGES * 4 - 2, UNIT, "", ""),
    ],
)
def test_attacks_that_do_not_fit_the_data_are_refused_before_training(
    inputs: Tensor, bounds: Any, grid: str, message: str
) -> None:
    split = TensorSplit(inputs, torch.arange(60) % 3)
    own = Data(split, split, split, 3, "checksum", bounds=bounds)
    if not message:
        check_attackable(parse_grid(grid), split, own, "mine")
        return
    with pytest.raises(UsageError, match=message) as raised:
        check_attackable(parse_grid(grid), split, own, "mine")
    assert "\n" not in str(raised.value)


class Paired(TensorSplit):
    """Whose models take something else beside what is attacked."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        for inputs, labels in super().batches(size, generator):
            yield (inputs, torch.zeros(len(labels), 2)), labels


@pytest.mark.parametrize(
    ("inputs", "grid", "message"),
    [
        (IMAGES, "autoattack-of-9:0.1", "autoattack-of-9 is for models of images alone, .*; use pgd-50x5"),
        (IMAGES * 4 - 2, "pgd-3:0.1", "reach from -2 to 2"),
        (TABLE, "square-5:0.1", "is for images"),
        (IMAGES, "pgd-3:0.1+square-5:0.1", ""),
        (torch.ones(60, 7, dtype=torch.int64), "pgd-l2-3:0.1", ""),
    ],
)
def test_the_first_of_several_inputs_is_looked_at_too(inputs: Tensor, grid: str, message: str) -> None:
    split = Paired(inputs, torch.arange(60) % 3)
    own = Data(split, split, split, 3, "checksum")
    with pytest.raises(UsageError, match=message) if message else nullcontext():
        check_attackable(parse_grid(grid), split, own, "mine")


def test_a_trial_looks_whether_its_attacks_can_be_made_before_it_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trial(robustness: str) -> Trial:
        settings = TrainingSettings(epochs=1, train_size=64, robustness=robustness)
        return Trial.make("digits-lenet5", "standard", {}, settings, 0, "checksum")

    data = workload_named("digits-lenet5").load(Path("unused"))
    monkeypatch.setattr(autoattack, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'dropattack\[autoattack\]'"):
        Training(trial("autoattack:0.1"), data)
    Training(trial("pgd-5:0.1"), data)
