"""Activations as attacks see them: the pixels that enter a model, and the vectors of its tokens."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from dropattack.errors import UsageError
from dropattack.targets.lookups import Words, by_hand
from dropattack.targets.target import Perturbation, Target, made


class ActivationTarget(Target):
    """A floating-point tensor that passes through the model, one row for each example of the batch.

    Attributes:
        words: ``[batch, length]`` of the last pass, true where a token is a word; ``None`` where nothing is
            padding. Value, gradient and perturbation are zero at padding.
    """

    batched = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._perturbation: Perturbation | None = None
        self.words: Tensor | None = None
        self._value: Tensor | None = None
        self._variable: Tensor | None = None
        self._watched = False
        self._handle: RemovableHandle | None = None

    @override
    def detach(self) -> None:
        super().detach()
        if self._handle is not None:
            self._handle.remove()

    @property
    @override
    def value(self) -> Tensor:
        if self._value is None:
            raise self.unused()
        return self._value

    @property
    @override
    def variable(self) -> Tensor | None:
        return self._variable

    @override
    def kept(self, tensor: Tensor) -> Tensor:
        return tensor if self.words is None else tensor.masked_fill(~self.words[..., None], 0)

    @override
    def select(self, gradient: Tensor) -> Tensor:
        return self.kept(gradient)

    @override
    def confirm(self) -> None:
        if self._value is None:
            raise self.unused()

    @override
    def watch(self) -> None:
        self._watched, self._variable = True, None

    @override
    def unwatch(self) -> None:
        self._watched, self._variable = False, None

    @override
    def shift(self, perturbation: Perturbation) -> None:
        self._perturbation = perturbation

    @override
    def restore(self) -> None:
        self._perturbation = None

    @property
    def perturbation(self) -> Tensor:
        """What the last pass added, shaped as the value."""
        if isinstance(self._perturbation, Tensor):
            return self._perturbation
        return torch.zeros_like(self.value)

    def _through(self, activation: Tensor) -> Tensor:
        """What the model sees instead of ``activation``."""
        self._value = self.kept(activation.detach())
        if self._perturbation is not None:
            self._perturbation = self.kept(made(self._perturbation, self._value))
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

    @override
    def attach(self) -> None:
        self._handle = self._model.register_forward_pre_hook(self._enter)

    def _enter(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            kind = args[0].dtype if isinstance(args[0], Tensor) else type(args[0]).__name__
            raise UsageError(
                f"target {self.name!r} needs floating-point inputs, not {kind}; convert the images, "
                f"or for token ids map {self.name!r} to the embedding's weight in Task.names"
            )
        return (self._through(args[0]), *args[1:])


class TokenTarget(ActivationTarget):
    """The vectors that an embedding gives for the tokens of the batch, ``[batch, length, width]``."""

    def __init__(self, name: str, embedding: nn.Embedding, words: Words) -> None:
        super().__init__(name)
        self._embedding, self._among = embedding, words

    @override
    def attach(self) -> None:
        self._among.attach()
        self._handle = self._embedding.register_forward_hook(self._leave, with_kwargs=True)

    @override
    def detach(self) -> None:
        super().detach()
        self._among.detach()

    @override
    def unused(self) -> UsageError:
        return by_hand(self.name) if self._value is None else super().unused()

    def _leave(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], vectors: Tensor) -> Tensor:
        self.words = self._among.among(args[0] if args else kwargs["input"])
        return self._through(vectors)
