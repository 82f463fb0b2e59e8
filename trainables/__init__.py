"""Datasets, models and the training loop of every workload; one thin adapter to Ray.

Public are the names below, the datasets in `trainables.datasets` and the models in `trainables.models`. A
workload of your own is made of a `Dataset` that loads `Data`, an `Architecture`, `TrainingSettings`, and an
`Objective` where it is no plain classification.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainables.architecture import Architecture, named
    from trainables.data.cache import cached
    from trainables.data.dataset import Data, Dataset
    from trainables.data.groups import Groups
    from trainables.data.splits import ImageSplit, Split, TensorSplit, TextSplit
    from trainables.objectives import (
        Classification,
        CustomObjective,
        Measure,
        MultiLabel,
        Objective,
        Regression,
    )
    from trainables.recipe.settings import TrainingSettings
    from trainables.saved import SavedModel, load_model
    from trainables.workload import Workload
    from trainables.workloads import register_workload, workload_named

_HOMES = {
    "Architecture": "trainables.architecture",
    "Classification": "trainables.objectives",
    "CustomObjective": "trainables.objectives",
    "Data": "trainables.data.dataset",
    "Dataset": "trainables.data.dataset",
    "Groups": "trainables.data.groups",
    "ImageSplit": "trainables.data.splits",
    "Measure": "trainables.objectives",
    "MultiLabel": "trainables.objectives",
    "Objective": "trainables.objectives",
    "Regression": "trainables.objectives",
    "SavedModel": "trainables.saved",
    "Split": "trainables.data.splits",
    "TensorSplit": "trainables.data.splits",
    "TextSplit": "trainables.data.splits",
    "TrainingSettings": "trainables.recipe.settings",
    "Workload": "trainables.workload",
    "cached": "trainables.data.cache",
    "load_model": "trainables.saved",
    "named": "trainables.architecture",
    "register_workload": "trainables.workloads",
    "workload_named": "trainables.workloads",
}

__all__ = [
    "Architecture",
    "Classification",
    "CustomObjective",
    "Data",
    "Dataset",
    "Groups",
    "ImageSplit",
    "Measure",
    "MultiLabel",
    "Objective",
    "Regression",
    "SavedModel",
    "Split",
    "TensorSplit",
    "TextSplit",
    "TrainingSettings",
    "Workload",
    "cached",
    "load_model",
    "named",
    "register_workload",
    "workload_named",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
