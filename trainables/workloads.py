"""Workloads by name: those that ship, those of installed packages, and ``module:function`` of one's own."""

import importlib
import traceback
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from dropattack import UsageError
from dropattack.errors import first_line, unknown
from trainables.papers import PAPERS
from trainables.recipe.settings import TrainingSettings
from trainables.workload import Workload

__all__ = ["TrainingSettings", "Workload", "register_workload", "workload_named", "workloads"]

ENTRY_POINTS = "dropattack.workloads"
"""Group in which an installed package offers workloads: each entry a `Workload` or a function giving one."""

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
    """The workload of that name.

    Args:
        name: A registered name, or ``module:function`` for a function that returns a workload, which is
            named by that text from then on.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if ":" in name:
        return _imported(name)
    if name not in workloads():
        raise unknown("workload", name, workloads())
    return _WORKLOADS[name]


@cache
def _imported(name: str) -> Workload:
    """The workload that ``module:function`` gives, under that name."""
    module_name, _, function = name.partition(":")
    if not module_name or not function:
        raise UsageError(f"workload {name!r} must read module:function")
    try:
        found = getattr(importlib.import_module(module_name), function)
    except ModuleNotFoundError as error:
        said = f"workload {name!r}: there is no module {error.name!r}"
        if module_name.endswith(".py"):
            raise UsageError(f"{said}; write it without .py: {module_name[:-3]}:{function}") from error
        raise UsageError(f"{said}; is its folder on PYTHONPATH?") from error
    except AttributeError as error:
        raise UsageError(f"workload {name!r}: module {module_name!r} has no {function!r}") from error
    except UsageError:
        raise
    except Exception as error:
        raise _fails(name, f"importing {module_name}", error) from error
    try:
        workload = found if isinstance(found, Workload) else found()
    except UsageError:
        raise
    except Exception as error:
        raise _fails(name, f"{function}()", error) from error
    if not isinstance(workload, Workload):
        raise UsageError(f"workload {name!r} must give a Workload, not {type(workload).__name__}")
    return Workload(**{**vars(workload), "name": name})


def _fails(name: str, what: str, error: Exception) -> UsageError:
    """An error in a user's own code: what it is, and the line that raised it."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    at = "" if isinstance(error, SyntaxError) else f" ({Path(where.filename).name}, line {where.lineno})"
    return UsageError(f"workload {name!r}: {what} ends in {type(error).__name__}: {first_line(error)}{at}")


@cache
def _discover() -> None:
    """Registers what installed packages offer."""
    for entry in entry_points(group=ENTRY_POINTS):
        found = entry.load()
        register_workload(found if isinstance(found, Workload) else found())
