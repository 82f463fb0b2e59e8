"""Contracts of methods, workloads and stores: tests that the author of one inherits.

Needs pytest. The three contracts below are public; docs/how-to/testing.md has an example of each.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ModuleNotFoundError:
    raise ImportError("dropattack.testing needs pytest: pip install 'dropattack[testing]'") from None

if TYPE_CHECKING:
    from dropattack.testing.methods import MethodContract
    from dropattack.testing.stores import StoreContract
    from dropattack.testing.workloads import WorkloadContract

_HOMES = {
    "MethodContract": "dropattack.testing.methods",
    "StoreContract": "dropattack.testing.stores",
    "WorkloadContract": "dropattack.testing.workloads",
}

__all__ = ["MethodContract", "StoreContract", "WorkloadContract"]

pytest.register_assert_rewrite(*_HOMES.values())
"""A failing test of a contract shows the values that it compared, as the author's own tests do."""


def __getattr__(name: str) -> Any:
    """Imports a contract when it is first asked for, so that each can be used without the others' imports."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
