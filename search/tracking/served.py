"""Loads a model for MLflow: from a file of tensors, or a graph that `torch.export` wrote; no pickle.

A graph is a program, too: load only those of people whose code you would run.

`mlflow.pyfunc.load_model` finds this module by the name that the model's ``MLmodel`` holds.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trainables.code.standing import ChangedCodeWarning
from trainables.saved import load_model

_FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""What torch.load asks for in the environment, and obeys above its own arguments."""

GRAPH = "model.pt2"
"""A model as a graph, which needs no code of whoever made it."""

CHANGED = "changed.txt"
"""Lies beside a graph that was made of other code than the model was trained with, and says so."""


class ServedModel:
    """A trained model that maps arrays to arrays.

    Args:
        module: In eval mode, on the CPU.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def predict(
        self,
        model_input: np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]],
        params: Mapping[str, Any] | None = None,
    ) -> np.ndarray[Any, Any]:
        """The model's outputs, such as logits ``[batch, classes]``.

        Args:
            model_input: A batch as the model's input example has it: images in [0, 1], rows of a table, or by
                name the several inputs of a text model, in their order.
            params: None are known.
        """
        arrays = list(model_input.values()) if isinstance(model_input, Mapping) else [model_input]
        tensors = [torch.as_tensor(np.ascontiguousarray(array)) for array in arrays]
        with torch.no_grad():
            outputs: torch.Tensor = self._module(*tensors)
        found: np.ndarray[Any, Any] = outputs.numpy()
        return found


@contextmanager
def _unpickling_tensors_alone() -> Iterator[None]:
    """Has torch unpickle no other objects; `torch.export.load` does where a part of the file needs it."""
    before = os.environ.get(_FORCED)
    os.environ[_FORCED] = "1"
    try:
        yield
    finally:
        del os.environ[_FORCED]
        if before is not None:
            os.environ[_FORCED] = before


def _load_pyfunc(path: str) -> ServedModel:
    """Loads the files of a model; MLflow calls it by this name.

    Warns:
        ChangedCodeWarning: The code that builds it, or that built its graph, differs from what trained it.

    Raises:
        UsageError: The file of tensors cannot be used; see `load_model`.
    """
    folder = Path(path)
    if (folder / GRAPH).is_file():
        if (folder / CHANGED).is_file():
            warnings.warn((folder / CHANGED).read_text(encoding="utf-8"), ChangedCodeWarning, stacklevel=2)
        with _unpickling_tensors_alone():
            return ServedModel(torch.export.load(folder / GRAPH).module())
    (file,) = folder.glob("*.pt")
    return ServedModel(load_model(file).model)
