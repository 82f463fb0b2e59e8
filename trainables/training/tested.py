"""Tests the best model on the test split, once, when a training ends."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dropattack.robustness import Case
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.objectives.objective import Objective
from trainables.recipe.measured import LEFT_OUT, Metrics
from trainables.recipe.metrics import recalls
from trainables.training.under_attack import Evaluation


class Tested(NamedTuple):
    """The results of a test; all are empty without a test.

    Attributes:
        metrics: By name.
        confusion: Counts, row = true class, column = predicted class; empty without classes.
        right: ``[examples]``, bool: whether each example is recognised; ``None`` without classes.
    """

    metrics: Metrics
    confusion: list[list[int]]
    right: Tensor | None


UNTESTED = Tested({}, [], None)


def tested(
    objective: Objective,
    model: nn.Module,
    split: Split,
    data: Data,
    left_out: str,
    attacks: Evaluation,
    cases: Sequence[Case],
) -> Tested:
    """Measures a model on the test split.

    Args:
        objective: Defines the metrics.
        model: The model.
        split: The test split.
        data: The data of the split.
        left_out: Name of the group to test on, if the trial left one out; else "".
        attacks: Runs the attacks.
        cases: Attacks to test the model with as well.
    """
    metrics, confusion, right = objective.measure(model, split, data)
    metrics["examples"] = len(split)
    if left_out:
        metrics[f"{LEFT_OUT}{left_out}"] = len(split)
    if confusion:
        metrics |= recalls(torch.tensor(confusion))
    if cases:
        metrics |= attacks.metrics(model, split, cases)
    return Tested(metrics, confusion, right)
