"""What can be perturbed for the length of a pass: parameters, embedding rows, activations.

A perturbation and a gradient have the shape of the surface's *value*: the whole parameter, the rows of an
embedding matrix that the batch looks up, the pixels of the batch, or the vectors of its tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dropattack.errors import UsageError

Perturbation = Tensor | Callable[[Tensor], Tensor]
"""A tensor to add to the value, or a function that makes it from the value once that is known."""


class Target(ABC):
    """One tensor that a method may perturb. Use it inside `attached`.

    Attributes:
        name: The name that people use.
        batched: Whether the value's first dimension counts examples.
    """

    batched: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def attach(self) -> None:  # noqa: B027 - a parameter needs nothing to follow
        """Begins to follow the model's passes."""

    def detach(self) -> None:
        """Ceases to follow them, and restores the value."""
        self.restore()

    @property
    @abstractmethod
    def value(self) -> Tensor:
        """The unperturbed value; for rows and activations once a pass has shown it."""

    @property
    @abstractmethod
    def variable(self) -> Tensor | None:
        """The tensor to differentiate by after a watched pass; ``None`` where the pass did not meet it."""

    def select(self, gradient: Tensor) -> Tensor:
        """The part of a gradient by `variable` that belongs to the value."""
        return gradient

    def gradient(self) -> Tensor:
        """Gradient that the watched pass left; may be overwritten by the next pass.

        Raises:
            UsageError: The model did not use this target.
        """
        variable = self.variable
        if variable is None or variable.grad is None:
            raise self.unused()
        return self.select(variable.grad)

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


class ParameterTarget(Target):
    """A whole parameter, changed in place so that flattened RNN weights and tied parameters stay valid."""

    def __init__(self, name: str, parameter: Tensor) -> None:
        super().__init__(name)
        self.parameter = parameter
        self._original: Tensor | None = None
        self._gathered: Tensor | None = None

    @property
    def value(self) -> Tensor:
        """See `Target.value`."""
        return self.parameter.detach() if self._original is None else self._original

    @property
    def variable(self) -> Tensor | None:
        """See `Target.variable`."""
        return self.parameter

    def select(self, gradient: Tensor) -> Tensor:
        """See `Target.select`; a sparse gradient is made dense."""
        return gradient.to_dense() if gradient.is_sparse else gradient

    def watch(self) -> None:
        """See `Target.watch`."""
        self._gathered, self.parameter.grad = self.parameter.grad, None

    def unwatch(self) -> None:
        """See `Target.unwatch`."""
        fresh, gathered, self._gathered = self.parameter.grad, self._gathered, None
        if gathered is not None:
            self.parameter.grad = gathered if fresh is None else self._sum(gathered, fresh)

    def _sum(self, gathered: Tensor, fresh: Tensor) -> Tensor:
        return fresh + gathered if gathered.is_sparse else gathered.add_(fresh)

    @torch.no_grad()
    def shift(self, perturbation: Perturbation) -> None:
        """See `Target.shift`."""
        if self._original is None:
            self._original = self.parameter.detach().clone()
        else:
            self.parameter.copy_(self._original)
        self.parameter.add_(_made(perturbation, self._original))

    @torch.no_grad()
    def restore(self) -> None:
        """See `Target.restore`."""
        if self._original is not None:
            self.parameter.copy_(self._original)
            self._original = None


class RowsTarget(ParameterTarget):
    """The rows of an embedding matrix that the batch looks up; its other rows have no gradient.

    A mask over the whole matrix, cut to these rows, has the distribution of a mask over the rows, so nothing
    is lost, and the cost does not grow with the vocabulary. Rows are learned from the lookups of the first
    pass, without the row of ``padding_idx``. On a GPU finding the distinct rows makes the host wait once.
    """

    def __init__(self, name: str, embedding: nn.Embedding) -> None:
        super().__init__(name, embedding.weight)
        self._embedding = embedding
        self._handle: RemovableHandle | None = None
        self._rows: Tensor | None = None
        self._complete = False
        self._pending: Callable[[Tensor], Tensor] | None = None

    def attach(self) -> None:
        """See `Target.attach`."""
        self._handle = self._embedding.register_forward_pre_hook(self._look_up, with_kwargs=True)

    def detach(self) -> None:
        """See `Target.detach`."""
        super().detach()
        if self._handle is not None:
            self._handle.remove()

    @torch.no_grad()
    def _look_up(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Takes note of rows that were not seen yet, and perturbs them where a perturbation is pending."""
        if self._complete:
            return
        rows = torch.unique(args[0] if args else kwargs["input"])
        if self._embedding.padding_idx is not None:
            rows = rows[rows != self._embedding.padding_idx]
        if self._rows is not None:
            rows = rows[~torch.isin(rows, self._rows)]
        self._rows = rows if self._rows is None else torch.cat([self._rows, rows])
        if self._pending is not None:
            before = self.parameter.index_select(0, rows)
            self._original = before if self._original is None else torch.cat([self._original, before])
            self.parameter.index_add_(0, rows, self._pending(before))

    @property
    def rows(self) -> Tensor:
        """Distinct row numbers, ``[rows]``."""
        self._complete = True
        if self._rows is None:
            raise self.unused()
        return self._rows

    @property
    def value(self) -> Tensor:
        """See `Target.value`; ``[rows, width]``."""
        if self._original is None:
            return self.parameter.detach().index_select(0, self.rows)
        return self._original

    def select(self, gradient: Tensor) -> Tensor:
        """See `Target.select`; ``[rows, width]``."""
        selected = gradient.index_select(0, self.rows)
        return selected.to_dense() if selected.is_sparse else selected

    def _sum(self, gathered: Tensor, fresh: Tensor) -> Tensor:
        if gathered.is_sparse or fresh.is_sparse:
            return fresh + gathered
        return gathered.index_add_(0, self.rows, fresh.index_select(0, self.rows))

    @torch.no_grad()
    def shift(self, perturbation: Perturbation) -> None:
        """See `Target.shift`; before the first pass, a function is applied row by row as they are met."""
        if self._rows is None and not isinstance(perturbation, Tensor):
            self._pending = perturbation
            return
        if self._original is None:
            self._original = self.parameter.index_select(0, self.rows)
        perturbed = self._original + _made(perturbation, self._original)
        self.parameter.index_copy_(0, self.rows, perturbed)

    @torch.no_grad()
    def restore(self) -> None:
        """See `Target.restore`."""
        self._pending = None
        if self._original is not None:
            self.parameter.index_copy_(0, self.rows, self._original)
            self._original = None


class ActivationTarget(Target):
    """A floating-point tensor that passes through the model, one row for each example of the batch.

    Attributes:
        real: ``[batch, length]``, true where a token is not padding, as ``padding_idx`` tells; ``None`` where
            nothing is padding.
    """

    batched = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._perturbation: Perturbation | None = None
        self.real: Tensor | None = None
        self._value: Tensor | None = None
        self._variable: Tensor | None = None
        self._watched = False
        self._handle: RemovableHandle | None = None

    def detach(self) -> None:
        """See `Target.detach`."""
        super().detach()
        if self._handle is not None:
            self._handle.remove()

    @property
    def value(self) -> Tensor:
        """See `Target.value`."""
        if self._value is None:
            raise self.unused()
        return self._value

    @property
    def variable(self) -> Tensor | None:
        """See `Target.variable`."""
        return self._variable

    def watch(self) -> None:
        """See `Target.watch`."""
        self._watched, self._variable = True, None

    def unwatch(self) -> None:
        """See `Target.unwatch`."""
        self._watched, self._variable = False, None

    def shift(self, perturbation: Perturbation) -> None:
        """See `Target.shift`."""
        self._perturbation = perturbation

    def restore(self) -> None:
        """See `Target.restore`."""
        self._perturbation = None

    @property
    def perturbation(self) -> Tensor:
        """What the last pass added, shaped as the value."""
        if isinstance(self._perturbation, Tensor):
            return self._perturbation
        return torch.zeros_like(self.value)

    def _through(self, activation: Tensor) -> Tensor:
        """What the model sees instead of ``activation``."""
        self._value = activation.detach()
        if self._perturbation is not None:
            self._perturbation = _made(self._perturbation, self._value)
            activation = activation + self._perturbation
        if self._watched:
            if self._variable is not None:
                raise UsageError(f"target {self.name!r} is used twice in one pass; attack the matrix instead")
            if not activation.requires_grad:
                activation = activation.detach().requires_grad_()
            activation.retain_grad()
            self._variable = activation
        return activation


class PixelTarget(ActivationTarget):
    """The model's first argument: pixels or any other floating-point input, ``[batch, …]``."""

    def __init__(self, name: str, model: nn.Module) -> None:
        super().__init__(name)
        self._model = model

    def attach(self) -> None:
        """See `Target.attach`."""
        self._handle = self._model.register_forward_pre_hook(self._enter)

    def _enter(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not args[0].is_floating_point():
            raise UsageError(
                f"target {self.name!r} needs floating-point inputs, not {args[0].dtype}; convert the images, "
                f"or for token ids map {self.name!r} to the embedding's weight in Task.names"
            )
        return (self._through(args[0]), *args[1:])


class TokenTarget(ActivationTarget):
    """The vectors that an embedding gives for the tokens of the batch, ``[batch, length, width]``."""

    def __init__(self, name: str, embedding: nn.Embedding) -> None:
        super().__init__(name)
        self._embedding = embedding

    def attach(self) -> None:
        """See `Target.attach`."""
        self._handle = self._embedding.register_forward_hook(self._leave)

    def _leave(self, embedding: nn.Module, args: tuple[Any, ...], vectors: Tensor) -> Tensor:
        if self._embedding.padding_idx is not None:
            self.real = args[0] != self._embedding.padding_idx
        return self._through(vectors)


def _made(perturbation: Perturbation, value: Tensor) -> Tensor:
    return perturbation if isinstance(perturbation, Tensor) else perturbation(value)


@contextmanager
def attached(targets: Sequence[Target]) -> Iterator[None]:
    """Lets targets follow the model's passes; at the end, errors included, every value is restored."""
    try:
        for target in targets:
            target.attach()
        yield
    finally:
        for target in targets:
            target.detach()


@contextmanager
def watched(targets: Sequence[Target]) -> Iterator[None]:
    """Lets the pass inside leave its own gradient on each target."""
    for target in targets:
        target.watch()
    try:
        yield
    finally:
        for target in targets:
            target.unwatch()
