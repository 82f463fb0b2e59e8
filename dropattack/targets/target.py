"""Targets: tensors that a method can perturb for the length of a pass.

A perturbation and a gradient have the shape of the target's *value*: the whole parameter, the rows of an
embedding matrix that the batch looks up, the pixels of the batch, or the vectors of its tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dropattack.errors import UsageError

Perturbation = Tensor | Callable[[Tensor], Tensor]
"""A tensor to add to the value, or a function that makes it from the value once that is known."""


class Target(ABC):
    """One tensor that a method may perturb. Use it inside `attached`.

    Attributes:
        name: The name that people use.
        batched: Whether the value's first dimension counts examples.
        inside: Whether it follows passes by hooks inside of the model.
        eager: Whether passes must not be compiled while it does; see `wrappers.hides_hooks`.
    """

    batched: ClassVar[bool] = False
    inside: ClassVar[bool] = False
    eager: bool = False

    def __init__(self, name: str) -> None:
        self.name = name

    def attach(self) -> None:  # noqa: B027 - a parameter needs nothing to follow
        """Begins to follow the model's passes."""

    def detach(self) -> None:
        """Stops following them, and restores the value."""
        self.restore()

    @property
    @abstractmethod
    def value(self) -> Tensor:
        """The unperturbed value; for rows and activations known once a pass has used it."""

    @property
    @abstractmethod
    def variable(self) -> Tensor | None:
        """The tensor to differentiate by after a watched pass; ``None`` where the pass did not meet it."""

    def select(self, gradient: Tensor) -> Tensor:
        """The part of a gradient by `variable` that belongs to the value."""
        return gradient

    def gradient(self) -> Tensor | None:
        """Gradient that the watched pass left, ``None`` where it did not meet the value.

        It may share memory with ``.grad``, which the next pass changes.
        """
        variable = self.variable
        return None if variable is None or variable.grad is None else self.select(variable.grad)

    def kept(self, tensor: Tensor) -> Tensor:
        """A tensor shaped as the value, with zeros where nothing may be attacked."""
        return tensor

    def unused(self) -> UsageError:
        """The error for a target that has no gradient."""
        return UsageError(f"target {self.name!r} got no gradient: the model does not use it for this batch")

    @abstractmethod
    def watch(self) -> None:
        """Lets the next pass leave its own gradient, apart from those gathered so far."""

    @abstractmethod
    def unwatch(self) -> None:
        """Adds the gradient of the watched pass to those gathered before."""

    @abstractmethod
    def shift(self, perturbation: Perturbation) -> None:
        """Makes the next passes run on value + perturbation; a later call replaces an earlier one."""

    @abstractmethod
    def restore(self) -> None:
        """Puts the value back, bit for bit."""

    def confirm(self) -> None:  # noqa: B027 - a parameter need not be met by every pass
        """Checks, after the passes, that they used the target.

        Raises:
            UsageError: They did not.
        """


class ParameterTarget(Target):
    """A whole parameter, changed in place so that flattened RNN weights and tied parameters stay valid."""

    def __init__(self, name: str, parameter: Tensor) -> None:
        super().__init__(name)
        self.parameter = parameter
        self._original: Tensor | None = None
        self._gathered: Tensor | None = None

    @property
    @override
    def value(self) -> Tensor:
        return self.parameter.detach() if self._original is None else self._original

    @property
    @override
    def variable(self) -> Tensor | None:
        return self.parameter

    @override
    def select(self, gradient: Tensor) -> Tensor:
        """See `Target.select`; a sparse gradient is made dense."""
        return gradient.to_dense() if gradient.is_sparse else gradient

    @override
    def watch(self) -> None:
        self._gathered, self.parameter.grad = self.parameter.grad, None

    @override
    def unwatch(self) -> None:
        fresh, gathered, self._gathered = self.parameter.grad, self._gathered, None
        if gathered is not None and fresh is not None:
            gathered = fresh + gathered if gathered.is_sparse else gathered.add_(fresh)
        self.parameter.grad = fresh if gathered is None else gathered

    @torch.no_grad()
    @override
    def shift(self, perturbation: Perturbation) -> None:
        if self._original is None:
            self._original = self.parameter.detach().clone()
        else:
            self.parameter.copy_(self._original)
        self.parameter.add_(made(perturbation, self._original))

    @torch.no_grad()
    @override
    def restore(self) -> None:
        if self._original is not None:
            self.parameter.copy_(self._original)
            self._original = None


def made(perturbation: Perturbation, value: Tensor) -> Tensor:
    """The tensor that a perturbation of this value stands for."""
    return perturbation if isinstance(perturbation, Tensor) else perturbation(value)


@contextmanager
def attached(targets: Sequence[Target]) -> Iterator[None]:
    """Lets targets follow the model's passes; at the end, errors included, every value is restored."""
    eager = any(target.eager for target in targets)
    with torch.compiler.set_stance("force_eager") if eager else nullcontext():
        try:
            for target in targets:
                target.attach()
            yield
            for target in targets:
                target.confirm()
        finally:
            for target in targets:
                target.detach()


@contextmanager
def watched(targets: Sequence[Target]) -> Iterator[None]:
    """The pass inside this context leaves its own gradient on each target."""
    for target in targets:
        target.watch()
    try:
        yield
    finally:
        for target in targets:
            target.unwatch()
