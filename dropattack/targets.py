"""What can be attacked: the input of a batch or a parameter of the model, behind one interface.

A set of targets is one string, ``input+conv1.w``, in sweep files, storages and reports alike: lists and
tuples are not stable keys there.
"""

import re
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from dropattack.errors import UsageError, unknown
from dropattack.method import Inputs, Task

INPUT = "input"


def parse_targets(text: str) -> tuple[str, ...]:
    """Splits ``"conv1.w+input"`` into its names, in canonical order: the input first, then by name.

    Raises:
        UsageError: A name is empty or stands there twice.

    Example:
        >>> parse_targets("conv10.w+conv2.w+input")
        ('input', 'conv2.w', 'conv10.w')
    """
    names = [name.strip() for name in text.split("+")]
    if not all(names):
        raise UsageError(f"targets {text!r} hold an empty name; write them as 'input+conv1.w'")
    if len(set(names)) < len(names):
        raise UsageError(f"targets {text!r} name one target twice")
    return tuple(sorted(names, key=lambda name: (name != INPUT, _natural(name))))


def canonical_targets(text: str) -> str:
    """The one spelling of a set of targets; see `parse_targets`."""
    return "+".join(parse_targets(text))


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


class Target(ABC):
    """One tensor that a method may perturb for the length of a pass."""

    name: str

    @abstractmethod
    def gradient(self) -> Tensor:
        """Gradient that the last passes left on this tensor."""

    @abstractmethod
    def shift(self, perturbation: Tensor) -> None:
        """Puts original + perturbation in place; calling it again starts from the original again."""

    @abstractmethod
    def restore(self) -> None:
        """Puts the original back, bit for bit."""

    @abstractmethod
    def isolate(self) -> None:
        """Sets the gradients gathered so far aside, so that the next pass's stand alone in `gradient`."""

    @abstractmethod
    def merge(self) -> None:
        """Adds the gradient of the pass since `isolate` to those set aside."""


class ParameterTarget(Target):
    """A weight or bias, perturbed in place so that flattened RNN weights and tied parameters stay valid."""

    def __init__(self, name: str, parameter: nn.Parameter) -> None:
        self.name = name
        self.parameter = parameter
        self._original: Tensor | None = None
        self._gathered: Tensor | None = None

    def gradient(self) -> Tensor:
        """See `Target.gradient`."""
        if self.parameter.grad is None:
            raise UsageError(f"target {self.name!r} got no gradient: the model does not use it in this batch")
        return self.parameter.grad

    @torch.no_grad()
    def shift(self, perturbation: Tensor) -> None:
        """See `Target.shift`."""
        if self._original is None:
            self._original = self.parameter.detach().clone()
        else:
            self.parameter.copy_(self._original)
        self.parameter.add_(perturbation)

    @torch.no_grad()
    def restore(self) -> None:
        """See `Target.restore`."""
        if self._original is not None:
            self.parameter.copy_(self._original)
            self._original = None

    def isolate(self) -> None:
        """See `Target.isolate`."""
        self._gathered, self.parameter.grad = self.parameter.grad, None

    @torch.no_grad()
    def merge(self) -> None:
        """See `Target.merge`."""
        fresh, self.parameter.grad, self._gathered = self.parameter.grad, self._gathered, None
        if self.parameter.grad is None:
            self.parameter.grad = fresh
        elif fresh is not None:
            self.parameter.grad.add_(fresh)


class InputTarget(Target):
    """The floating-point inputs of one batch; every pass runs on a fresh leaf tensor."""

    def __init__(self, inputs: Inputs) -> None:
        if isinstance(inputs, tuple) or not inputs.is_floating_point():
            raise UsageError(
                "target 'input' needs one tensor of floating-point inputs; "
                "for token ids map 'input' to the embedding's weight in Task.names"
            )
        self.name = INPUT
        self._original = inputs.detach()
        self.inputs = self._original.clone().requires_grad_()

    def gradient(self) -> Tensor:
        """See `Target.gradient`."""
        if self.inputs.grad is None:
            raise UsageError("target 'input' got no gradient: the model does not use its input")
        return self.inputs.grad

    def shift(self, perturbation: Tensor) -> None:
        """See `Target.shift`."""
        self.inputs = (self._original + perturbation).requires_grad_()

    def restore(self) -> None:
        """See `Target.restore`."""
        self.inputs = self._original

    def isolate(self) -> None:
        """See `Target.isolate`: every pass has its own leaf, so nothing needs setting aside."""

    def merge(self) -> None:
        """See `Target.merge`."""


def parameter_target(model: nn.Module, name: str, task: Task) -> ParameterTarget:
    """Finds the parameter behind a readable name.

    Raises:
        UsageError: There is no such parameter, or it is frozen.
    """
    parameters = dict(model.named_parameters())
    full_name = task.names.get(name, name)
    if full_name not in parameters:
        valid = [INPUT, *task.names] if task.names else [INPUT, *parameters]
        raise unknown("target", name, dict.fromkeys(valid))
    if not parameters[full_name].requires_grad:
        raise UsageError(f"target {name!r} is frozen (requires_grad is False); unfreeze it or leave it out")
    return ParameterTarget(name, parameters[full_name])
