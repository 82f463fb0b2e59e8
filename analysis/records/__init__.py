"""What a sweep recorded, as tidy tables, and where it comes from."""

from analysis.records.tables import (
    BASELINE,
    COMPLETE,
    EPS_ZERO,
    EQUAL_PASSES,
    FAILED,
    PRUNED,
    RUNNING,
    Metric,
    Records,
    control_names,
    describe,
    labels,
    rows,
)
from analysis.records.tracking import from_mlflow

__all__ = [
    "BASELINE",
    "COMPLETE",
    "EPS_ZERO",
    "EQUAL_PASSES",
    "FAILED",
    "PRUNED",
    "RUNNING",
    "Metric",
    "Records",
    "control_names",
    "describe",
    "from_mlflow",
    "labels",
    "rows",
]
