"""A batch under attack: the outputs of a model as a function of the point at which it is evaluated."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.errors import UsageError
from dropattack.modes import recurrent_gradients
from dropattack.perturbation import projected
from dropattack.targets.names import find_input, words_are_input
from dropattack.targets.target import attached
from dropattack.task import Inputs, Task

Bounds = tuple[float | Tensor, float | Tensor]
"""Smallest and largest value of an input, numbers or tensors that broadcast, such as ``[channels, 1, 1]``."""

UNIT: Bounds = (0.0, 1.0)


class Victim(ABC):
    """A model and a batch under attack. Use it inside `attacking`.

    Attributes:
        start: The clean point, ``[batch, …]``: where attacks begin and what ε is measured from.
    """

    start: Tensor

    @abstractmethod
    def outputs(self, point: Tensor) -> Tensor:
        """Logits ``[batch, classes]`` at a point, differentiable by it."""

    def kept(self, direction: Tensor) -> Tensor:
        """The part of a direction from the clean point that an attack may take."""
        return direction

    def projected(self, point: Tensor, epsilon: float, ball: str) -> Tensor:
        """The point brought back into the ball ``linf`` or ``l2`` of radius ε around the clean one."""
        by: Literal["element", "row"] = "element" if ball == "linf" else "row"
        return self.start + projected(self.kept(point - self.start), epsilon, by)


class Pixels(Victim):
    """Continuous inputs in pixel units: 0 is the smallest value an input may take and 1 the largest.

    So ε means the same whether a dataset yields pixels or normalised values, and the model's inputs never
    leave the valid range.

    Args:
        model: Called with inputs in the dataset's own values.
        inputs: A batch of floating-point inputs; of a tuple the first is attacked.
        bounds: Smallest and largest of the dataset's values.
    """

    def __init__(self, model: nn.Module, inputs: Inputs, bounds: Bounds = UNIT) -> None:
        attacked, *self._rest = inputs if isinstance(inputs, tuple) else (inputs,)
        if not attacked.is_floating_point():
            raise UsageError(f"an attack needs floating-point inputs, not {attacked.dtype}")
        self._model = model
        self._low, high = (b.to(attacked) if isinstance(b, Tensor) else b for b in bounds)
        self._width = high - self._low
        self.start = ((attacked - self._low) / self._width).detach()

    def inputs(self, point: Tensor) -> Tensor:
        """The point in the dataset's own values."""
        return point * self._width + self._low

    @property
    def alone(self) -> bool:
        """Whether the model has no input beside the attacked one."""
        return not self._rest

    def at(self, start: Tensor) -> "Pixels":
        """The same model at other clean points, possibly fewer; only for a model without further inputs."""
        other = copy.copy(self)
        other.start = start
        return other

    @override
    def outputs(self, point: Tensor) -> Tensor:
        logits: Tensor = self._model(self.inputs(point), *self._rest)
        return logits

    @override
    def projected(self, point: Tensor, epsilon: float, ball: str) -> Tensor:
        """See `Victim.projected`; the point also stays in the valid range."""
        return super().projected(point, epsilon, ball).clamp_(0, 1)


class Vectors(Victim):
    """The embedding vectors of a batch of texts, ``[batch, length, width]``, in the embedding's own unit.

    Padding is not attacked; its vectors count as zeros.

    Words cannot take most of these values, so this measures a model's smoothness and not its behaviour on
    other texts.

    Args:
        model: A text model.
        inputs: What it is called with.
        task: Maps ``input`` to the embedding's weight, and separates words from padding.
    """

    def __init__(self, model: nn.Module, inputs: Inputs, task: Task) -> None:
        self._model = model
        self._inputs: tuple[Any, ...] = inputs if isinstance(inputs, tuple) else (inputs,)
        self._target = find_input(model, task)
        with torch.no_grad(), attached([self._target]):
            model(*self._inputs)
        self.start = self._target.value

    @override
    def kept(self, direction: Tensor) -> Tensor:
        return self._target.kept(direction)

    @override
    def outputs(self, point: Tensor) -> Tensor:
        with attached([self._target]):
            self._target.shift(point - self.start)
            logits: Tensor = self._model(*self._inputs)
        return logits


def victim(model: nn.Module, inputs: Inputs, task: Task, bounds: Bounds = UNIT) -> Victim:
    """The embedding vectors where the task maps ``input`` to an embedding's weight, else the pixels."""
    return Vectors(model, inputs, task) if words_are_input(task) else Pixels(model, inputs, bounds)


@contextmanager
def attacking(*models: nn.Module) -> Iterator[None]:
    """Puts models in eval mode, in which they are tested; afterwards every module has its mode again.

    Gradients pass recurrent layers too; see `recurrent_gradients`.
    """
    modules = [module for model in models for module in model.modules()]
    modes = [module.training for module in modules]
    try:
        for model in models:
            model.eval()
        with recurrent_gradients(*models):
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
