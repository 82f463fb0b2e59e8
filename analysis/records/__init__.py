"""What a sweep recorded, as tidy tables, and where it comes from."""

from analysis.records.identity import CONFIGURATION, CONTROL
from analysis.records.metric import Metric
from analysis.records.scale import ABSOLUTE, RELATIVE, scale_of, size_label
from analysis.records.tables import (
    BASELINE,
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

__all__ = [
    "ABSOLUTE",
    "BASELINE",
    "COMPLETE",
    "CONFIGURATION",
    "CONTROL",
    "FAILED",
    "PRUNED",
    "RELATIVE",
    "RUNNING",
    "Metric",
    "Records",
    "describe",
    "from_mlflow",
    "labels",
    "one_per_training",
    "rows",
    "scale_of",
    "size_label",
]
