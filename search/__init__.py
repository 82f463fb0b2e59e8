"""Sweeps as data: how they are planned, executed, recorded durably, and run from the command line.

The names below and the command line are public.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.api.result import Best, Result
    from search.api.running import plan, run, status
    from search.api.study import AskedTrial, Study
    from search.api.sweep import Sweep
    from search.definition.sweepfile import load_sweep
    from search.execution.errors import RunError
    from search.records.store import Store
    from search.results.outcome import Outcome, StoreError
    from search.service import run_sweep

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOMES = {
    "AskedTrial": "search.api.study",
    "Best": "search.api.result",
    "Outcome": "search.results.outcome",
    "Result": "search.api.result",
    "RunError": "search.execution.errors",
    "Store": "search.records.store",
    "StoreError": "search.results.outcome",
    "Study": "search.api.study",
    "Sweep": "search.api.sweep",
    "load_sweep": "search.definition.sweepfile",
    "plan": "search.api.running",
    "run": "search.api.running",
    "run_sweep": "search.service",
    "status": "search.api.running",
}

__all__ = [
    "AskedTrial",
    "Best",
    "Outcome",
    "Result",
    "RunError",
    "Store",
    "StoreError",
    "Study",
    "Sweep",
    "load_sweep",
    "plan",
    "run",
    "run_sweep",
    "status",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
