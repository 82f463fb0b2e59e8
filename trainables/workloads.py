"""Workloads by name: those that ship, those of installed packages, and ``module:function`` of one's own."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from dropattack import UsageError
from dropattack.errors import unknown
from dropattack.imported import check_given, fails, imported
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
        check_given("workload", name)
        return _imported(name)
    if name not in workloads():
        raise unknown("workload", name, workloads())
    return _WORKLOADS[name]


@cache
def _imported(name: str) -> Workload:
    """The workload that ``module:function`` gives, under that name."""
    found, function = imported("workload", name, "module:function"), name.partition(":")[2]
    if not isinstance(found, Workload) and not callable(found):
        raise UsageError(
            f"workload {name!r} must name a Workload or a function that gives one, not {type(found).__name__}"
        )
    try:
        workload = found if isinstance(found, Workload) else found()
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise fails(f"workload {name!r}", f"{function}()", error) from error
    if not isinstance(workload, Workload):
        raise UsageError(f"workload {name!r} must give a Workload, not {type(workload).__name__}")
    return Workload(**{**vars(workload), "name": name})


@cache
def _discover() -> None:
    """Registers what installed packages offer."""
    for entry in entry_points(group=ENTRY_POINTS):
        found = entry.load()
        register_workload(found if isinstance(found, Workload) else found())
