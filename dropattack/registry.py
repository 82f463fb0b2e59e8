"""Every training method by name."""

from collections.abc import Mapping
from typing import Any

from dropattack.errors import UsageError, unknown
from dropattack.method import Method
from dropattack.task import Task

_METHODS: dict[str, type[Method[Any]]] = {}


def register(method: type[Method[Any]]) -> type[Method[Any]]:
    """Makes a method known by its name; a class decorator.

    Raises:
        UsageError: Another method has that name.
    """
    if _METHODS.setdefault(method.name, method) is not method:
        raise UsageError(f"a method named {method.name!r} is registered already; choose another name")
    return method


def registered() -> Mapping[str, type[Method[Any]]]:
    """Every registered method by name."""
    return _METHODS


def method_named(name: str) -> type[Method[Any]]:
    """The method of that name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in _METHODS:
        raise unknown("method", name, _METHODS)
    return _METHODS[name]


def create(name: str, *, task: Task | None = None, **hyperparameters: Any) -> Method[Any]:
    """Builds a method by name.

    Args:
        name: A registered name, such as ``"dropattack"``.
        task: Loss, target names and generator; the default is cross entropy and parameters' own names.
        **hyperparameters: As the method's `settings_type` declares them.

    Raises:
        UsageError: The method or a hyperparameter is unknown, or a value is out of range.

    Example:
        >>> from torch import nn, optim, randn, tensor
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
        >>> method = create("dropattack", targets="input+0.weight", epsilon=1.0, p=0.5)
        >>> result = method.step(model, (randn(3, 4), tensor([0, 1, 0])), optimizer)
        >>> result.outputs.shape
        torch.Size([3, 2])
    """
    method = method_named(name)
    return method(method.settings_type.from_dict(hyperparameters), task or Task())
