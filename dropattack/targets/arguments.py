"""The arguments of a call of a model, by the names in the model's signature."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from torch import Tensor, nn

from dropattack.wrappers import argument_names

_BESIDES = ("labels", "label", "label_ids")
_MASK = "mask"


def is_float(value: Any) -> TypeGuard[Tensor]:
    """Whether a value is a floating-point tensor."""
    return isinstance(value, Tensor) and value.is_floating_point()


def arguments(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a call by name, in their order; by number where ``forward`` has no name for them."""
    known = argument_names(model)[: len(args)]
    names = [*known, *map(str, range(len(known), len(args)))]
    return {**dict(zip(names, args, strict=True)), **kwargs}


def floats(given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Those that ``input`` stands for: floating-point tensors of some dimension, no labels and no masks."""
    return {
        name: value
        for name, value in given.items()
        if is_float(value) and value.dim() and name not in _BESIDES and not name.endswith(_MASK)
    }
