"""The base of every objective: a loss to train with, and metrics of a whole split."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dropattack import UsageError
from dropattack.batches import called
from dropattack.task import LogProbabilities, Loss
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.recipe.fitting import evaluating, in_batches
from trainables.recipe.measured import LOSS, Metrics


@dataclass(frozen=True)
class Measure:
    """A metric of a whole split.

    Attributes:
        of: ``of(outputs, labels)`` returns a number, or a scalar tensor, from the concatenated outputs and
            labels of all examples of a split; for example a function of `torchmetrics.functional`.
        larger_is_better: Whether larger values are better.
    """

    of: Callable[[Any, Tensor], Any]
    larger_is_better: bool = True


class Measured(NamedTuple):
    """The measurements of a model on a split.

    Attributes:
        metrics: By name, the loss among them.
        confusion: Counts by class, row = label, column = prediction; empty without classes.
        right: ``[examples]``, bool, on the CPU: whether each example is recognised, in the split's order;
            ``None`` for objectives that recognise nothing.
    """

    metrics: Metrics
    confusion: list[list[int]]
    right: Tensor | None = None


class Objective(ABC):
    """A loss to train with, and the metrics of a split. Subclasses declare all that is abstract."""

    @abstractmethod
    def loss(self, train: Split, data: Data, smoothing: float) -> Loss:
        """The training loss, a mean over the batch.

        Args:
            train: The examples that a trial trains on.
            data: The data that hold them.
            smoothing: See ``training.label_smoothing``.

        Raises:
            UsageError: The labels do not fit this objective, or cannot be smoothed.
        """

    @abstractmethod
    def measures(self, data: Data | None = None) -> Mapping[str, Measure]:
        """The metrics beside the loss, by name; their names need no ``data``, their values may."""

    def measure(self, model: nn.Module, split: Split, data: Data) -> Measured:
        """Loss and metrics of a model on a whole split, in eval mode."""
        outputs, labels = outputs_of(model, split)
        loss = self.loss(split, data, 0.0)(outputs, labels)
        found = {LOSS: float(loss)}
        for name, measure in self.measures(data).items():
            found[name] = number(name, measure.of(outputs, labels))
        return Measured(found, [])

    def hits(self, outputs: Any, labels: Tensor) -> Tensor | None:
        """Number of examples of a batch that are right; ``None`` for objectives that recognise nothing."""
        return None

    @property
    def classifies(self) -> bool:
        """Whether outputs are logits of classes and labels their numbers, as attacks on models expect."""
        return False

    @property
    def log_probabilities(self) -> LogProbabilities | None:
        """The distributions that outputs stand for, see `Task.log_probabilities`; ``None`` for none."""
        return None

    @property
    def smooths(self) -> bool:
        """Whether ``training.label_smoothing`` applies; if not, `loss` also refuses it."""
        return True

    @property
    def names(self) -> Sequence[str]:
        """Names of the metrics that a sweep may select by, with the loss and without those of attacks."""
        return (LOSS, *self.measures())

    def larger_is_better(self, name: str) -> bool:
        """Whether larger values of a metric are better; true for those of attacks, which are accuracies."""
        if name == LOSS:
            return False
        measure = self.measures().get(name)
        return measure is None or measure.larger_is_better


def outputs_of(model: nn.Module, split: Split) -> tuple[Any, Tensor]:
    """Outputs and labels of a whole split, in eval mode and concatenated, on the split's device."""

    def found(size: int) -> tuple[Any, Tensor]:
        outputs, labels = [], []
        for inputs, targets in split.batches(size):
            outputs.append(called(model, inputs))
            labels.append(targets)
        return torch.cat(outputs), torch.cat(labels)

    with evaluating(model):
        return in_batches(found, split.labels.device)


def number(name: str, value: Any) -> float:
    """A metric's value as a number.

    Raises:
        UsageError: It is no number.
    """
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        said = " ".join(repr(value).split())[:80]
        raise UsageError(f"the metric {name} must be one number, not {said}") from None


def better(one: float, other: float, larger_is_better: bool) -> bool:
    """Whether a value is better than another; nan is worse than any number."""
    if math.isnan(one) or math.isnan(other):
        return not math.isnan(one)
    return one > other if larger_is_better else one < other
