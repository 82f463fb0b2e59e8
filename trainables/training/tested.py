"""What the best model does on the test split: looked at once, when a training ends."""

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
    """What a test gave; nothing of each where there was none.

    Attributes:
        metrics: By name.
        confusion: Counts, row = true class, column = predicted class; empty where nothing is classified.
        right: ``[examples]``, bool: whether each example is recognised; nothing where nothing is classified.
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
        objective: Says what is measured.
        model: The model.
        split: The test split.
        data: What it is of.
        left_out: The group that is tested on, where one is left out; else "".
        attacks: What attacks are made with.
        cases: The attacks that the model is tested with too.
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
