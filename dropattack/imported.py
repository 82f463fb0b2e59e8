"""What ``module:name`` stands for: a user's own workload or method, each fault of its module in a line.

Importing a module runs its code. Whoever runs a process may have that done, and files may not: where a store
is read, only names are imported that were given by a person (`give`), see `given_only`.
"""

import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dropattack.errors import UsageError, first_line

_PACKAGES = {"site-packages", "dist-packages"}
_given: set[str] = set()
"""Names that may be imported: those that were given, and those whose code has run in this process anyway."""
_closed: list[bool] = []
"""An entry for each `given_only` that holds; of the whole process, so that its threads are held too."""


def give(names: Iterable[str]) -> None:
    """Says that a person named these, on a command line or in a file of theirs; `given_only` lets them be."""
    _given.update(name for name in names if ":" in name)


@contextmanager
def given_only() -> Iterator[None]:
    """Has no ``module:name`` imported meanwhile but those that were given; see `give`."""
    _closed.append(True)
    try:
        yield
    finally:
        _closed.pop()


def imported(what: str, name: str, form: str) -> Any:
    """The object that ``module:name`` names; its module is imported.

    Args:
        what: What it is named as, such as ``"workload"``.
        name: The text.
        form: How the text should read, such as ``"module:function"``.

    Raises:
        UsageError: The text reads otherwise, nobody gave it where `given_only` holds, there is no such module
            or name, the module is one of Python's own, or importing ends in an error.
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
        raise UsageError(f"{said}; is its folder on PYTHONPATH?") from error
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise fails(f"{what} {name!r}", f"importing {module_name}", error) from error
    if not hasattr(module, attribute):
        raise UsageError(f"{what} {name!r}: module {module_name!r} has no {attribute!r}")
    return getattr(module, attribute)


def check_given(what: str, name: str) -> None:
    """Refuses a ``module:name`` that a file holds and that nobody gave, where `given_only` holds.

    Raises:
        UsageError: It is one.
    """
    if _closed and name not in _given:
        raise UsageError(
            f"{what} {name!r} is code, and is not imported because a file in a store names it; if you trust "
            f"it, name your own sweep file, or write `dropattack --import {name} …`"
        )


def fails(who: str, what: str, error: BaseException) -> UsageError:
    """An error in a user's own code: what it is, and the last line outside of installed packages."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _PACKAGES & set(Path(frame.filename).parts)]
    where = (own or list(frames))[-1]
    at = "" if isinstance(error, SyntaxError) else f" ({Path(where.filename).name}, line {where.lineno})"
    return UsageError(f"{who}: {what} ends in {type(error).__name__}: {first_line(error)}{at}")


def _is_pythons(module: str) -> bool:
    """Whether a module comes with Python, and a file of the user's by that name does not go before it."""
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return False
    spec = find_spec(top)
    if spec is None or not spec.has_location or spec.origin is None:
        return True
    place = Path(spec.origin)
    return place.is_relative_to(sysconfig.get_path("stdlib")) and not _PACKAGES & set(place.parts)
