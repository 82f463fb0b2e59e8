"""What ``module:name`` stands for: a user's own workload or method, each fault of its module in a line."""

import importlib
import traceback
from pathlib import Path
from typing import Any

from dropattack.errors import UsageError, first_line

_PACKAGES = {"site-packages", "dist-packages"}


def imported(what: str, name: str, form: str) -> Any:
    """The object that ``module:name`` names; its module is imported.

    Args:
        what: What it is named as, such as ``"workload"``.
        name: The text.
        form: How the text should read, such as ``"module:function"``.

    Raises:
        UsageError: The text reads otherwise, there is no such module or name, or importing ends in an error.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"{what} {name!r} must read {form}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        said = f"{what} {name!r}: there is no module {error.name!r}"
        if module_name.endswith(".py"):
            raise UsageError(f"{said}; write it without .py: {module_name[:-3]}:{attribute}") from error
        raise UsageError(f"{said}; is its folder on PYTHONPATH?") from error
    except UsageError:
        raise
    except Exception as error:
        raise fails(f"{what} {name!r}", f"importing {module_name}", error) from error
    if not hasattr(module, attribute):
        raise UsageError(f"{what} {name!r}: module {module_name!r} has no {attribute!r}")
    return getattr(module, attribute)


def fails(who: str, what: str, error: Exception) -> UsageError:
    """An error in a user's own code: what it is, and the last line outside of installed packages."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _PACKAGES & set(Path(frame.filename).parts)]
    where = (own or list(frames))[-1]
    at = "" if isinstance(error, SyntaxError) else f" ({Path(where.filename).name}, line {where.lineno})"
    return UsageError(f"{who}: {what} ends in {type(error).__name__}: {first_line(error)}{at}")
