"""Sweeps as data, their planning, execution, durable record and command line.

Public are the names below and the command line.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.definition.sweep import Sweep
    from search.definition.sweepfile import load_sweep
    from search.execution.errors import RunError
    from search.records.store import Store
    from search.results.outcome import Outcome, StoreError
    from search.service import run_sweep

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOMES = {
    "Outcome": "search.results.outcome",
    "RunError": "search.execution.errors",
    "Store": "search.records.store",
    "StoreError": "search.results.outcome",
    "Sweep": "search.definition.sweep",
    "load_sweep": "search.definition.sweepfile",
    "run_sweep": "search.service",
}

__all__ = [
    "Outcome",
    "RunError",
    "Store",
    "StoreError",
    "Sweep",
    "load_sweep",
    "run_sweep",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
