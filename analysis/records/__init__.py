"""What a sweep recorded, as tidy tables, and where it comes from."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.records.budgets import BUDGET, COUNTED, EPOCHS
    from analysis.records.identity import BASELINE, CONFIGURATION, CONTROL, SIZE
    from analysis.records.metric import Metric
    from analysis.records.scale import ABSOLUTE, RELATIVE, scale_of, size_label
    from analysis.records.sizes import asked_sizes, train_sizes
    from analysis.records.tables import (
        COMPLETE,
        FAILED,
        PRUNED,
        RUNNING,
        Records,
        describe,
        labels,
        one_per_training,
        rows,
    )
    from analysis.records.tracking import from_mlflow

_HOMES = {
    "budgets": ("BUDGET", "COUNTED", "EPOCHS"),
    "identity": ("BASELINE", "CONFIGURATION", "CONTROL", "SIZE"),
    "metric": ("Metric",),
    "scale": ("ABSOLUTE", "RELATIVE", "scale_of", "size_label"),
    "sizes": ("asked_sizes", "train_sizes"),
    "tables": (
        *("COMPLETE", "FAILED", "PRUNED", "RUNNING"),
        *("Records", "describe", "labels", "one_per_training", "rows"),
    ),
    "tracking": ("from_mlflow",),
}

__all__ = [
    "ABSOLUTE",
    "BASELINE",
    "BUDGET",
    "COMPLETE",
    "CONFIGURATION",
    "CONTROL",
    "COUNTED",
    "EPOCHS",
    "FAILED",
    "PRUNED",
    "RELATIVE",
    "RUNNING",
    "SIZE",
    "Metric",
    "Records",
    "asked_sizes",
    "describe",
    "from_mlflow",
    "labels",
    "one_per_training",
    "rows",
    "scale_of",
    "size_label",
    "train_sizes",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for: the name of a metric needs no pandas."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"analysis.records.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
