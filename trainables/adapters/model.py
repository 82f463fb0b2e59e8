"""A model that a user's function builds: keyword defaults are settings, parameters are targets."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import Any, ClassVar, cast

import torch
from torch import nn
from typing_extensions import override

from dropattack import INPUT, Settings, UsageError, setting
from dropattack.raised import described
from dropattack.targets.weights import is_normalisation
from trainables.architecture import Architecture
from trainables.data.dataset import Data

Builder = Callable[..., nn.Module]
"""``builder(data, width=64, …)`` returns an untrained model; it draws from torch's default generator."""
_KINDS = (bool, int, float, str)


@dataclass(frozen=True, kw_only=True)
class FunctionModel(Architecture):
    """An architecture whose settings are the keyword defaults of a function; see `model_of`."""

    builder: ClassVar[Builder]
    sample: ClassVar[Callable[[Settings], Data]]
    """Returns data of these settings, for a model that is built only to read its parameters' names."""
    data: ClassVar[Settings]
    reads_words: ClassVar[bool]
    built: ClassVar[dict[tuple[Any, ...], "Names"]]
    """Names of the parameters of models that have been built, by the values of the settings."""

    @override
    def build(self, data: Data) -> nn.Module:
        model = type(self).builder(data, **self.to_dict())
        if not isinstance(model, nn.Module):
            raise UsageError(f"the model's function must return an nn.Module, not {type(model).__name__}")
        type(self).built[self._values] = Names(self._targets(model), _norms(model))
        return model

    @property
    @override
    def targets(self) -> Mapping[str, str]:
        """Every parameter that trains under its own name; for texts, ``input`` is the first embedding's."""
        return self._names.targets

    @property
    @override
    def norms(self) -> Collection[str]:
        """See `Architecture.norms`; by the classes of the layers."""
        return self._names.norms

    @override
    def on(self, data: Settings) -> Architecture:
        """See `Architecture.on`; a function may build other layers for other data."""
        return self if data == type(self).data else _on(type(self), data)(**self.to_dict())

    @property
    def _values(self) -> tuple[Any, ...]:
        return tuple(self.to_dict().values())

    @property
    def _names(self) -> "Names":
        known = type(self).built
        if self._values not in known:
            self._build_sample()
        return known[self._values]

    @property
    @override
    def words(self) -> bool:
        """See `Architecture.words`; known without building a model."""
        return type(self).reads_words

    def _build_sample(self) -> None:
        data = type(self).sample(type(self).data)
        try:
            with torch.random.fork_rng(devices=[]):
                self.build(data)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"the model cannot be built: {described(error)}") from error

    def _targets(self, model: nn.Module) -> Mapping[str, str]:
        named = {n: n for n, p in model.named_parameters() if p.requires_grad and p.is_floating_point()}
        if not self.words:
            return named
        first = next((n for n, m in model.named_modules() if isinstance(m, nn.Embedding)), None)
        if first is None:
            raise UsageError("a model of texts needs an nn.Embedding, which attacks on the input change")
        return {INPUT: f"{first}.weight", **{n: p for n, p in named.items() if n != f"{first}.weight"}}


@cache
def _on(model: type[FunctionModel], data: Settings) -> type[FunctionModel]:
    """The same function's model for data of other settings."""
    return cast(type[FunctionModel], type("FunctionModel", (model,), {"data": data, "built": {}}))


@dataclass(frozen=True)
class Names:
    """Names of a model's parameters.

    Attributes:
        targets: See `Architecture.targets`.
        norms: See `Architecture.norms`.
    """

    targets: Mapping[str, str]
    norms: Collection[str]


def _norms(model: nn.Module) -> frozenset[str]:
    """Parameters of normalisation layers."""
    return frozenset(
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        if is_normalisation(module)
        for name, _ in module.named_parameters(recurse=False)
    )


def model_of(builder: Builder, sample: Callable[[Settings], Data], words: bool = False) -> Architecture:
    """Makes an architecture of a function; it builds the model for a sample to learn its parameters' names.

    Args:
        builder: See `Builder`. Its keywords with a number, a word or a truth value as default are settings,
            which a sweep sets or searches under ``model:``.
        sample: Returns data to build the model for, by the dataset's settings; by default settings until
            `Architecture.on` sets others.
        words: Whether it reads texts, so that ``input`` is its embedding.

    Raises:
        UsageError: The function does not take the data first, or has a keyword with another default.

    Examples:
        >>> def net(data, width=64):
        ...     return nn.Linear(data.features, width)
        >>> model_of(net, lambda settings: None).to_dict()
        {'width': 64}
    """
    if isinstance(builder, nn.Module):
        raise UsageError("model must be a function that builds the model, not a model: model=lambda data: …")
    name = getattr(builder, "__name__", type(builder).__name__)
    try:
        first, *rest = inspect.signature(builder).parameters.values()
    except (TypeError, ValueError):
        raise UsageError(
            "model must be a function that takes the data: model=lambda data, width=64: …"
        ) from None
    if first.default is not first.empty or first.kind is first.KEYWORD_ONLY:
        raise UsageError(f"the model's function {name} must take the data first: def {name}(data, …)")
    fields = []
    for parameter in rest:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise UsageError(
                f"the model's function {name} must name its settings; it takes *{parameter.name}"
            )
        if not isinstance(parameter.default, _KINDS):
            raise UsageError(
                f"{parameter.name} of the model's function {name} is a setting of `model:`; give it a "
                "default that is a number, a word, true or false"
            )
        kind = type(parameter.default)
        fields.append((parameter.name, kind, setting(parameter.default, f"{parameter.name} of {name}.")))
    clash = next((n for n, *_ in fields if hasattr(FunctionModel, n)), None)
    if clash is not None:
        raise UsageError(f"{clash} of the model's function {name} is a reserved name; rename it")
    own: dict[str, Any] = {"builder": staticmethod(builder), "sample": staticmethod(sample), "built": {}}
    own["data"] = Settings()
    own["reads_words"] = words
    made = make_dataclass(
        "FunctionModel", fields, bases=(FunctionModel,), namespace=own, frozen=True, kw_only=True
    )
    return cast(Architecture, made())
