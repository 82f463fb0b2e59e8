"""Workloads by name: those that ship, those of installed packages, and a user's own ``module:function``."""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import FunctionType

from dropattack import UsageError
from dropattack.errors import unknown
from dropattack.imported import check_given, fails, give_loaded, imported
from trainables.papers import PAPERS
from trainables.recipe.settings import TrainingSettings
from trainables.workload import Workload

__all__ = ["TrainingSettings", "Workload", "register_workload", "workload_named", "workloads"]

ENTRY_POINTS = "dropattack.workloads"
"""Entry point group of packages that offer workloads; each entry is a `Workload` or a function of one."""

_WORKLOADS: dict[str, Workload] = {workload.name: workload for workload in PAPERS}


def register_workload(workload: Workload) -> Workload:
    """Makes a workload known by its name."""
    if workload.name in _WORKLOADS:
        raise UsageError(f"workload {workload.name!r} is registered twice")
    _WORKLOADS[workload.name] = workload
    return workload


def workloads() -> Mapping[str, Workload]:
    """Every workload that ships or that an installed package offers, by name."""
    _discover()
    return _WORKLOADS


def workload_named(name: str) -> Workload:
    """Finds the workload of that name.

    Args:
        name: A registered name, or ``module:function`` for a function that returns a workload, which then has
            that text as its name.

    Raises:
        UsageError: No workload has that name; the message lists the names.

    Examples:
        >>> workload_named("digits-lenet5").target_names()[:3]
        ['input', 'conv1.w', 'conv1.b']
    """
    if ":" in name:
        give_loaded(name, _makes_workload)
        check_given("workload", name)
        return _imported(name)
    if name not in workloads():
        raise unknown("workload", name, workloads())
    return _WORKLOADS[name]


def _makes_workload(found: object) -> bool:
    """Whether it is a workload, or a function whose code or return type has the name ``Workload``.

    A store may name any function of an imported module; one that sends or deletes something is not called.
    """
    made = inspect.unwrap(found) if callable(found) else found
    if isinstance(made, FunctionType):
        returned = made.__annotations__.get("return")
        return Workload.__name__ in made.__code__.co_names or returned in (Workload, Workload.__name__)
    return isinstance(made, Workload)


@cache
def _imported(name: str) -> Workload:
    """The workload that ``module:function`` returns, under that name."""
    found, function = imported("workload", name, "module:function"), name.partition(":")[2]
    if not isinstance(found, Workload) and not callable(found):
        raise UsageError(
            f"workload {name!r} must name a Workload or a function of one, not {type(found).__name__}"
        )
    try:
        workload = found if isinstance(found, Workload) else found()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise fails(f"workload {name!r}", f"{function}()", error) from error
    if not isinstance(workload, Workload):
        raise UsageError(f"workload {name!r} must return a Workload, not {type(workload).__name__}")
    return Workload(**{**vars(workload), "name": name})


@cache
def _discover() -> None:
    """Registers what installed packages offer."""
    for entry in entry_points(group=ENTRY_POINTS):
        found = entry.load()
        register_workload(found if isinstance(found, Workload) else found())
