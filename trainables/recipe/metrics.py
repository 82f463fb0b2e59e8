"""Measurements on a split: the loss, and the metrics of a confusion matrix."""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack.batches import called
from trainables.data.splits import Split
from trainables.recipe.fitting import evaluating, in_batches
from trainables.recipe.measured import Metrics


class Counted(NamedTuple):
    """The measurements of a model on a split.

    Attributes:
        loss: Mean cross entropy.
        confusion: ``[classes, classes]``, int64, on the CPU: row = true class, column = predicted class.
        right: ``[examples]``, bool, on the CPU: whether each example is recognised, in the split's order.
    """

    loss: float
    confusion: Tensor
    right: Tensor


def measure(model: nn.Module, split: Split, classes: int) -> Counted:
    """Evaluates a model on a whole split, in eval mode."""
    with evaluating(model):
        return in_batches(partial(_measured, model, split, classes), split.labels.device)


def _measured(model: nn.Module, split: Split, classes: int, size: int) -> Counted:
    device = split.labels.device
    loss = torch.zeros((), dtype=torch.float64, device=device)
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    right: list[Tensor] = []
    for inputs, labels in split.batches(size):
        outputs = called(model, inputs)
        loss += F.cross_entropy(outputs, labels, reduction="sum")
        predicted = outputs.argmax(1)
        cell = labels * classes + predicted
        confusion.index_add_(0, cell, torch.ones_like(cell))
        right.append(predicted == labels)
    return Counted(loss.item() / len(split), confusion.view(classes, classes).cpu(), torch.cat(right).cpu())


def evaluate(model: nn.Module, split: Split, classes: int, positive: int | None = None) -> Metrics:
    """Loss, accuracy, macro F1 and, if there is a positive class, its F1; see `measure`."""
    loss, confusion, _ = measure(model, split, classes)
    return {"loss": loss, **scores(confusion, positive)}


def scores(confusion: Tensor, positive: int | None = None) -> Metrics:
    """Accuracy, macro F1 and binary F1 from a confusion matrix ``[classes, classes]``.

    A class that neither occurs nor is predicted has an F1 of 0 and counts in the mean. So does scikit-learn's
    ``f1_score`` if ``labels`` names all classes; without ``labels`` it leaves such a class out.

    Returns:
        ``accuracy``, ``macro_f1`` and, if ``positive`` names a class, ``f1``: each in [0, 1].
    """
    hits = confusion.diagonal().double()
    f1 = 2 * hits / (confusion.sum(0) + confusion.sum(1)).clamp(min=1)
    found = {"accuracy": (hits.sum() / confusion.sum()).item(), "macro_f1": f1.mean().item()}
    return found if positive is None else found | {"f1": f1[positive].item()}


def recalls(confusion: Tensor) -> Metrics:
    """Share of each class that is recognised, ``recall_0`` and so on, in [0, 1]; 0 for an empty class."""
    share = confusion.diagonal().double() / confusion.sum(1).clamp(min=1)
    return {f"recall_{label}": value for label, value in enumerate(share.tolist())}
