"""Activations that can be attacked: pixels and other inputs, vectors of tokens, weights that are computed."""

from collections.abc import Collection
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from dropattack.errors import UsageError, unknown
from dropattack.targets.arguments import arguments, floats, is_float
from dropattack.targets.lookups import Words, by_hand
from dropattack.targets.target import Perturbation, Target, made


class ActivationTarget(Target):
    """A floating-point tensor that passes through the model, one row for each example of the batch.

    Attributes:
        words: ``[batch, length]`` of the last pass, true where a token is a word; ``None`` where nothing is
            padding. Value, gradient and perturbation are zero at padding.
    """

    batched = True
    instead: ClassVar[str] = "the matrix instead"
    """For messages: what to attack where a pass uses the tensor twice, and it has no gradient of its own."""

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

    def _measured(self, activation: Tensor) -> Tensor:
        """The value that stands for an activation."""
        return activation

    def _placed(self, perturbation: Tensor) -> Tensor:
        """What to add to the activation for a perturbation of the value."""
        return perturbation

    def _through(self, activation: Tensor) -> Tensor:
        """The tensor that replaces ``activation`` in the model."""
        self._value = self.kept(self._measured(activation.detach()))
        if self._perturbation is not None:
            self._perturbation = self.kept(made(self._perturbation, self._value))
            activation = activation + self._placed(self._perturbation)
        if self._watched:
            if self._variable is not None:
                raise UsageError(f"target {self.name!r} is used twice in one pass; attack {self.instead}")
            if not activation.requires_grad:
                activation = activation.detach().requires_grad_()
            activation.retain_grad()
            self._variable = activation
        return activation


class InputTarget(ActivationTarget):
    """Floating-point arguments of the model: pixels or any others, ``[batch, …]``.

    Of positional arguments it attacks the first, of keyword arguments all. Several are joined to one value,
    ``[batch, numbers]``, so that one norm covers all parts of an example.

    Args:
        name: See `Target`.
        model: Called with them.
        argument: Name of the one to attack, as in the model's signature; ``None`` follows the rule above.
    """

    instead = "weights, or call the model once with all that it is called with"

    def __init__(self, name: str, model: nn.Module, argument: str | None = None) -> None:
        super().__init__(name)
        self._model, self._argument = model, argument

    @override
    def attach(self) -> None:
        self._handle = self._model.register_forward_pre_hook(self._enter, with_kwargs=True)

    def _enter(
        self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(args) == 1 and not kwargs and self._argument is None and is_float(args[0]):
            return (self._through(args[0]),), kwargs
        given = arguments(self._model, args, kwargs)
        found = self._chosen(given, bool(args))
        if not found:
            first = next(iter(given.values()), None)
            kind = first.dtype if isinstance(first, Tensor) else type(first).__name__
            raise UsageError(
                f"target {self.name!r} needs floating-point inputs, not {kind}; convert the images, "
                f"or for token ids map {self.name!r} to the embedding's weight in Task.names"
            )
        seen = dict(zip(found, self._seen(found), strict=True))
        names = list(given)[: len(args)]
        return tuple(seen.get(name, given[name]) for name in names), {
            name: seen.get(name, value) for name, value in kwargs.items()
        }

    def _chosen(self, given: dict[str, Any], by_place: bool) -> dict[str, Tensor]:
        """Those of the arguments that are attacked."""
        if self._argument is None:
            found = floats(given)
            return dict([*found.items()][:1]) if by_place else found
        if self._argument not in given:
            raise unknown("input", self._argument, dict.fromkeys(floats(given)))
        value = given[self._argument]
        if not is_float(value):
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise UsageError(f"target {self.name!r} needs a floating-point input, not {kind}")
        return {self._argument: value}

    def _seen(self, found: dict[str, Tensor]) -> list[Tensor]:
        """The tensors that replace these values in the model."""
        values = list(found.values())
        if len(values) == 1:
            return [self._through(values[0])]
        if len({value.shape[:1] for value in values}) > 1:
            shapes = ", ".join(f"{name} {[*value.shape]}" for name, value in found.items())
            one = next(iter(found))
            raise UsageError(
                f"target {self.name!r} stands for {shapes}, which do not have one row for each example; name "
                f"the one to attack, as in Task(names={{'input': 'input.{one}'}})"
            )
        flat = [value.reshape(len(value), -1) for value in values]
        parts = self._through(torch.cat(flat, 1)).split([part.shape[1] for part in flat], 1)
        return [part.reshape_as(value).to(value.dtype) for part, value in zip(parts, values, strict=True)]


class TokenTarget(ActivationTarget):
    """The vectors that an embedding returns for the tokens of the batch, ``[batch, length, width]``.

    Args:
        name: See `Target`.
        embedding: Looks the tokens up.
        words: Separates words from padding.
        shapes: Of the token ids that the model is called with. A model that looks them up transposed, as
            XLNet does, is refused: norms would be over positions and not over texts. Where batch and length
            are equal, this cannot be seen.
    """

    inside = True

    def __init__(
        self, name: str, embedding: nn.Embedding, words: Words, shapes: Collection[torch.Size] = ()
    ) -> None:
        super().__init__(name)
        self._embedding, self._among, self._shapes = embedding, words, shapes

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
        tokens = args[0] if args else kwargs["input"]
        if tokens.dim() == 2 and tokens.shape not in self._shapes and tokens.shape[::-1] in self._shapes:
            raise UsageError(
                f"target {self.name!r} needs one row for each text, and the model looks its tokens up as "
                f"[length, batch]; attack its weights instead, or a model that reads [batch, length]"
            )
        self.words = self._among.among(tokens)
        return self._through(vectors)


class NormalisedTokenTarget(TokenTarget):
    """The vectors of tokens in units in which words have mean 0 and variance 1 in each dimension.

    Mean and variance count each word as often as the step's first pass looks it up; Miyato et al. 2017,
    section 3, take the frequencies of the whole training set. For a perturbation r̄ of (v − μ) / σ the model
    receives v + σ ∘ r̄, which is the same point. So its own vectors stay as they are, and vectors that grow do
    not escape an attack.
    """

    _statistics: tuple[Tensor, Tensor] | None = None

    @override
    def select(self, gradient: Tensor) -> Tensor:
        return self.kept(self._placed(gradient))

    @override
    def _measured(self, activation: Tensor) -> Tensor:
        if self._statistics is None:
            counted = torch.ones_like(activation[..., :1]) if self.words is None else self.words[..., None]
            weights = counted.to(activation.dtype)
            total, dims = weights.sum().clamp(min=1), tuple(range(activation.dim() - 1))
            mean = (weights * activation).sum(dims) / total
            spread = (weights * (activation - mean).square()).sum(dims) / total
            self._statistics = mean, spread.sqrt()
        mean, deviation = self._statistics
        return (activation - mean) / deviation.clamp(min=torch.finfo(activation.dtype).tiny)

    @override
    def _placed(self, perturbation: Tensor) -> Tensor:
        assert self._statistics is not None
        return perturbation * self._statistics[1]


class ComputedTarget(ActivationTarget):
    """A weight that a parametrization computes from parameters, such as `weight_norm`'s g · v / ‖v‖."""

    batched = False
    inside = True
    instead = "the parameters that it is computed from, `….parametrizations.….original0`"

    def __init__(self, name: str, computing: nn.Module) -> None:
        super().__init__(name)
        self._computing = computing

    @override
    def attach(self) -> None:
        self._handle = self._computing.register_forward_hook(lambda _, __, weight: self._through(weight))
