"""Imports a user's own workload or method by ``module:name``, and reports each fault of its module in a line.

Importing a module runs its code. The person who runs a process may request that; a file in a store may not.
While a store is read, only names that a person gave (`give`) are imported; see `given_only`. A person who has
imported a module gave what is in it (`give_loaded`).
"""

import importlib
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dropattack.errors import UsageError
from dropattack.raised import INSTALLED, described

_given: set[str] = set()
"""Names that may be imported: those that were given, and those whose code has run in this process anyway."""
_closed: list[str] = []
"""The advice of each active `given_only`, which holds for all threads of the process."""
_IN_PYTHON = "write `import {module}` before, or name your own sweep file, as in Result.load('mine.yaml')"
IN_COMMANDS = "name your own sweep file, or write `dropattack --import {name} …`"
"""How to give a name on the command line; see `given_only`."""


def give(names: Iterable[str]) -> None:
    """Records names that a person gave on a command line or in their own file; `given_only` admits them."""
    _given.update(name for name in names if ":" in name)


def give_loaded(name: str, fits: Callable[[object], bool]) -> None:
    """Records a name as given if it is in a module of the user's own that is imported already.

    Args:
        name: Such as ``module:name``.
        fits: Whether what the module holds under that name may be used. A store may name anything in it.
    """
    module_name, _, attribute = name.partition(":")
    inside = vars(sys.modules[module_name]) if module_name in sys.modules else {}
    file = inside.get("__file__")
    if not isinstance(file, str) or INSTALLED & set(Path(file).parts) or _is_pythons(module_name):
        return
    if attribute in inside and fits(inside[attribute]):
        give([name])


@contextmanager
def given_only(advice: str = _IN_PYTHON) -> Iterator[None]:
    """Inside this context, no ``module:name`` is imported unless a person gave it; see `give`.

    Args:
        advice: How a person gives one; inside of another such context, that one's.
    """
    _closed.append(_closed[0] if _closed else advice)
    try:
        yield
    finally:
        _closed.pop()


def imported(what: str, name: str, form: str) -> Any:
    """Imports a module and returns the object that ``module:name`` names.

    Args:
        what: What the object is, such as ``"workload"``.
        name: The text.
        form: The form that the text must have, such as ``"module:function"``.

    Raises:
        UsageError: The text has another form, nobody gave it inside of `given_only`, there is no such module
            or name, the module is one of Python's own, or importing it raises an error.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"{what} {name!r} must read {form}")
    check_given(what, name)
    _given.add(name)
    if _is_pythons(module_name):
        raise UsageError(f"{what} {name!r}: {module_name} is a module of Python's own; name one of yours")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        said = f"{what} {name!r}: there is no module {error.name!r}"
        if module_name.endswith(".py"):
            raise UsageError(f"{said}; write it without .py: {module_name[:-3]}:{attribute}") from error
        raise UsageError(f"{said}; put its folder on PYTHONPATH") from error
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise fails(f"{what} {name!r}", f"importing {module_name}", error) from error
    if not hasattr(module, attribute):
        raise UsageError(f"{what} {name!r}: module {module_name!r} has no {attribute!r}")
    return getattr(module, attribute)


def check_given(what: str, name: str) -> None:
    """Refuses a ``module:name`` that nobody gave, inside of `given_only`.

    Raises:
        UsageError: Nobody gave it.
    """
    if _closed and name not in _given:
        how = _closed[0].format(name=name, module=name.partition(":")[0])
        raise UsageError(
            f"{what} {name!r} is code, and is not imported because a file in a store names it; if you trust "
            f"it, {how}"
        )


def fails(who: str, what: str, error: BaseException) -> UsageError:
    """The error for a failure in a user's own code; see `described`."""
    return UsageError(f"{who}: {what} ends in {described(error)}")


def _is_pythons(module: str) -> bool:
    """Whether Python finds its own module under this name, and not a file of the user's."""
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return False
    spec = find_spec(top)
    if spec is None or not spec.has_location or spec.origin is None:
        return True
    place = Path(spec.origin)
    return place.is_relative_to(sysconfig.get_path("stdlib")) and INSTALLED.isdisjoint(place.parts)
