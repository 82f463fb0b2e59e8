"""Datasets, models and the training loop of every workload; one thin adapter to Ray.

The names below, the datasets in `trainables.datasets` and the models in `trainables.models` are public. A
workload of your own consists of data (`Tensors`, `Table`, `ImageFolder`, or a `Dataset` of your own), a
function that builds a model (or an `Architecture`), `TrainingSettings`, and an `Objective` unless it is
plain classification.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainables.adapters.arrays import Tensors, examples
    from trainables.adapters.classifiers import timm_model, torchvision_model
    from trainables.adapters.huggingface import HuggingFace
    from trainables.adapters.images import ImageFolder
    from trainables.adapters.named import NamedTensors
    from trainables.adapters.table import Table
    from trainables.adapters.texts import Texts
    from trainables.adapters.tokenized import Tokenized
    from trainables.adapters.transformer import TransformerArchitecture, transformer
    from trainables.architecture import Architecture, named
    from trainables.code.standing import ChangedCodeWarning
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
    "ChangedCodeWarning": "trainables.code.standing",
    "Classification": "trainables.objectives",
    "CustomObjective": "trainables.objectives",
    "Data": "trainables.data.dataset",
    "Dataset": "trainables.data.dataset",
    "Groups": "trainables.data.groups",
    "HuggingFace": "trainables.adapters.huggingface",
    "ImageFolder": "trainables.adapters.images",
    "ImageSplit": "trainables.data.splits",
    "Measure": "trainables.objectives",
    "MultiLabel": "trainables.objectives",
    "NamedTensors": "trainables.adapters.named",
    "Objective": "trainables.objectives",
    "Regression": "trainables.objectives",
    "SavedModel": "trainables.saved",
    "Split": "trainables.data.splits",
    "Table": "trainables.adapters.table",
    "TensorSplit": "trainables.data.splits",
    "Tensors": "trainables.adapters.arrays",
    "TextSplit": "trainables.data.splits",
    "Texts": "trainables.adapters.texts",
    "Tokenized": "trainables.adapters.tokenized",
    "TrainingSettings": "trainables.recipe.settings",
    "TransformerArchitecture": "trainables.adapters.transformer",
    "Workload": "trainables.workload",
    "cached": "trainables.data.cache",
    "examples": "trainables.adapters.arrays",
    "load_model": "trainables.saved",
    "named": "trainables.architecture",
    "register_workload": "trainables.workloads",
    "timm_model": "trainables.adapters.classifiers",
    "torchvision_model": "trainables.adapters.classifiers",
    "transformer": "trainables.adapters.transformer",
    "workload_named": "trainables.workloads",
}

__all__ = [
    "Architecture",
    "ChangedCodeWarning",
    "Classification",
    "CustomObjective",
    "Data",
    "Dataset",
    "Groups",
    "HuggingFace",
    "ImageFolder",
    "ImageSplit",
    "Measure",
    "MultiLabel",
    "NamedTensors",
    "Objective",
    "Regression",
    "SavedModel",
    "Split",
    "Table",
    "TensorSplit",
    "Tensors",
    "TextSplit",
    "Texts",
    "Tokenized",
    "TrainingSettings",
    "TransformerArchitecture",
    "Workload",
    "cached",
    "examples",
    "load_model",
    "named",
    "register_workload",
    "timm_model",
    "torchvision_model",
    "transformer",
    "workload_named",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that a light command stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
