"""Finds user files that Python would import in place of this program's packages, here or in a worker."""

import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

_PACKAGES = ("dropattack", "trainables", "analysis", "search")
_OURS = Path(__file__).resolve().parents[2]


def shadow() -> str:
    """Names a file that hides a package, and says in the same line what to do; empty if none does.

    Ray puts the current folder before all others in its workers, whatever it is in this process.
    """
    for places in (sys.path, [str(Path.cwd())]):
        for package in _PACKAGES:
            origin = _origin(package, places)
            if origin is not None and not origin.is_relative_to(_OURS / package):
                return f"{origin} hides this program's package {package!r}; rename or move it"
    return ""


def _origin(package: str, places: Sequence[str]) -> Path | None:
    """The file that would be imported; ``None`` for no file or a mere folder."""
    spec = PathFinder.find_spec(package, places)
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None
