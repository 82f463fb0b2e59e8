"""Every training method by name: those that ship, those of installed packages, and ``module:Class``."""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeGuard

from dropattack.errors import UsageError, unknown
from dropattack.imported import check_given, give_loaded, imported
from dropattack.method import Method
from dropattack.task import Task

ENTRY_POINTS = "dropattack.methods"
"""Entry point group in which an installed package offers methods; each entry is a subclass of `Method`."""

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
    """Every registered method by name, those that installed packages offer among them."""
    _discover()
    return _METHODS


def method_named(name: str) -> type[Method[Any]]:
    """The class of the method of that name.

    Args:
        name: A registered name, or ``module:Class`` of a user's own, whose module is imported.

    Raises:
        UsageError: No method has that name; the message lists the names.
    """
    if not isinstance(name, str):
        raise UsageError(f"a method's name is text, such as 'dropattack', not {type(name).__name__}")
    if ":" in name:
        give_loaded(name, _is_method)
        check_given("method", name)
        return _imported(name)
    if name not in registered():
        raise unknown("method", name, _METHODS)
    return _METHODS[name]


@cache
def _imported(name: str) -> type[Method[Any]]:
    """The method that ``module:Class`` names."""
    return _checked(imported("method", name, "module:Class"), f"method {name!r}")


@cache
def _discover() -> None:
    """Registers what installed packages offer."""
    for entry in entry_points(group=ENTRY_POINTS):
        register(_checked(entry.load(), f"the entry point {entry.name!r} of {ENTRY_POINTS}"))


def _is_method(found: object) -> TypeGuard[type[Method[Any]]]:
    return inspect.isclass(found) and issubclass(found, Method)


def _checked(found: Any, what: str) -> type[Method[Any]]:
    if not _is_method(found):
        raise UsageError(f"{what} must name a subclass of dropattack.Method, not {type(found).__name__}")
    if not isinstance(getattr(found, "name", None), str):
        raise UsageError(f"{what} needs a name: name = 'mine' in its class")
    return found


def create(name: str, *, task: Task | None = None, **hyperparameters: Any) -> Method[Any]:
    """Builds a method by name.

    Args:
        name: A registered name, such as ``"dropattack"``.
        task: Loss, target names and generator; the default is cross entropy and parameters' own names.
        **hyperparameters: As the method's `settings_type` declares them.

    Raises:
        UsageError: The method or a hyperparameter is unknown, or a value is out of range or of another kind.

    Examples:
        >>> from torch import nn, optim, randn, tensor
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
        >>> method = create("dropattack", targets="input+0.weight", epsilon=1.0, p=0.5)
        >>> result = method.step(model, (randn(3, 4), tensor([0, 1, 0])), optimizer)
        >>> result.outputs.shape
        torch.Size([3, 2])
    """
    method = method_named(name)
    if not isinstance(task, Task | None):
        raise UsageError(f"task must be a dropattack.Task, such as Task(loss=…), not {type(task).__name__}")
    return method(method.settings_type.from_dict(hyperparameters), task or Task())
