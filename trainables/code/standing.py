"""Compares code that was recorded earlier with the code here now, without importing any of it."""

import re
from importlib.metadata import PackageNotFoundError, distribution

from dropattack import UsageError
from trainables.code.modules import find, own_modules
from trainables.code.origin import Origin, origin_of, version_of


class ChangedCodeWarning(UserWarning):
    """A user's code differs from what trained a model that is loaded; the text names the files."""


_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def differs(name: str, noted: str) -> bool:
    """Whether a module or a distribution has changed; one that is not here has not.

    Args:
        name: Name in `trainables.code.definition.Code.modules`.
        noted: The value recorded under it.
    """
    try:
        spec = find(name) if _MODULE.fullmatch(name) else None
        if spec is not None and origin_of(spec) is Origin.OWN:
            return own_modules(spec)[spec.name].digest != noted
        return version_of(distribution(name)) != noted
    except (UsageError, PackageNotFoundError, ValueError, OSError):
        return False


def is_absent(name: str) -> bool:
    """Whether there is neither a module nor a distribution of this name here.

    Args:
        name: See `differs`.
    """
    try:
        if _MODULE.fullmatch(name) and find(name) is not None:
            return False
        distribution(name)
    except (PackageNotFoundError, ValueError):
        return True
    return False
