"""What a sweep selects by where it does not say."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from torch import nn

from search.definition.sweepfile import parse_sweep
from trainables import Classification, Objective, Regression, Tensors, TrainingSettings, Workload
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import register_workload

RAW = {"name": "s", "stages": [{"name": "all", "methods": {"standard": {}}}]}


@pytest.fixture
def workloads() -> Iterator[None]:
    inputs = np.linspace(0, 1, 60).reshape(30, 2)
    kinds: dict[str, tuple[Objective, str]] = {
        "own-regression": (Regression(), "accuracy"),
        "by-mae": (Regression(), "mae"),
        "own-classes": (Classification(metrics=("auroc",)), "auroc"),
    }
    for name, (objective, best_by) in kinds.items():
        labels = np.arange(30) % 2 if objective.classifies else inputs.sum(1)
        register_workload(
            Workload(
                name,
                dataset=Tensors(inputs, labels),
                model=lambda data: nn.Linear(2, data.classes),
                objective=objective,
                training=TrainingSettings(best_by=best_by),
            )
        )
    yield
    for name in kinds:
        del REGISTERED[name]


@pytest.mark.parametrize(
    ("raw", "column", "direction"),
    [
        ({"workload": "own-regression"}, "valid_rmse", "min"),
        ({"workload": "diabetes-mlp"}, "valid_rmse", "min"),
        ({"workload": "by-mae"}, "valid_mae", "min"),
        ({"workload": "by-mae", "select": {"metric": "r2"}}, "valid_r2", "max"),
        ({"workload": "own-classes"}, "valid_accuracy", "max"),
        ({"workload": "digits-lenet5"}, "valid_accuracy", "max"),
        ({"workloads": ["own-regression", "by-mae"]}, "valid_rmse", "min"),
    ],
)
def test_it_is_a_metric_that_the_workload_has(
    workloads: None, raw: dict[str, Any], column: str, direction: str
) -> None:
    sweep = parse_sweep(RAW | raw)
    assert (sweep.select.column, sweep.select.direction) == (column, direction)
    again = parse_sweep(sweep.model_dump(mode="json", exclude_none=True))
    assert again.select == sweep.select
