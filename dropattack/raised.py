"""Says in one line what an exception of a user's code was, and where in that code it arose."""

import sysconfig
import traceback
from pathlib import Path

from dropattack.errors import first_line

INSTALLED = {"site-packages", "dist-packages"}
"""Names of folders that hold installed packages."""

_ROOT = Path(__file__).parents[1]
_OTHERS = (
    *(_ROOT / package for package in ("dropattack", "trainables", "analysis", "search")),
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")),
)
"""Folders of this project and of Python."""


def described(error: BaseException) -> str:
    """The type of an exception, the first line of its message, and its place in the user's own code.

    Examples:
        >>> described(RuntimeError("sensor broke"))
        'RuntimeError: sensor broke'
        >>> described(AssertionError())
        'AssertionError'
    """
    kind, message = type(error).__name__, first_line(error)
    said = kind if message == kind else f"{kind}: {message}"
    at = place(error)
    return f"{said} ({at})" if at else said


def place(error: BaseException) -> str:
    """The last line of the user's own code that an exception passed, such as ``waves.py:31 in forward``.

    Returns:
        "" if it passed none, and for a syntax error, whose message names its own line.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)]
    if not own or isinstance(error, SyntaxError):
        return ""
    inside = "" if own[-1].name == "<module>" else f" in {own[-1].name}"
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}{inside}"


def _is_own(file: str) -> bool:
    """Whether a file is neither of this project nor of Python nor of an installed package, but the user's."""
    if file.startswith("<"):  # generated, as by dataclasses and torch.fx
        return False
    path = Path(file)
    return INSTALLED.isdisjoint(path.parts) and not any(path.is_relative_to(folder) for folder in _OTHERS)
