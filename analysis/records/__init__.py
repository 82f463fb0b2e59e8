"""What a sweep recorded, as tidy tables, and where it comes from."""

from analysis.records.tables import (
    BASELINE,
    COMPLETE,
    FAILED,
    PRUNED,
    RUNNING,
    Metric,
    Records,
    describe,
    labels,
    rows,
)
from analysis.records.tracking import from_mlflow

__all__ = [
    "BASELINE",
    "COMPLETE",
    "FAILED",
    "PRUNED",
    "RUNNING",
    "Metric",
    "Records",
    "describe",
    "from_mlflow",
    "labels",
    "rows",
]
