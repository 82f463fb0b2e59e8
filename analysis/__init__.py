"""Records to tables, statistics, figures and one report.

The names below, the computations in `analysis.questions`, and `analysis.statistics` are public.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.records import Records, from_mlflow
    from analysis.report import write_report

_HOMES = {
    "Records": "analysis.records",
    "from_mlflow": "analysis.records",
    "write_report": "analysis.report",
}

__all__ = [
    "Records",
    "from_mlflow",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
