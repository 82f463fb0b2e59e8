"""Trained models in MLflow's form: a folder with a signature, an input example, a card, and no pickle."""

import importlib.metadata
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dropattack import Inputs
from search.tracking.served import CHANGED, GRAPH, ServedModel
from trainables.saved import load_model
from trainables.workload import Workload
from trainables.workloads import workloads

_EXAMPLES = 2
"""Inputs in the example; a graph is made for any number of them, which takes more than one."""
CARD = "README.md"
_LOADER = "search.tracking.served"


@dataclass(frozen=True)
class Card:
    """The text of a model's card.

    Attributes:
        title: What it is.
        configuration: How it was trained, by name.
        lines: The configuration's results, in sentences.
    """

    title: str
    configuration: Mapping[str, str]
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The card as Markdown."""
        table = [f"| {name} | {value} |" for name, value in self.configuration.items()]
        lines = [f"# {self.title}", *self.lines, "\n".join(["| setting | value |", "|---|---|", *table])]
        return "\n\n".join(lines) + "\n"


def write_model(
    folder: Path, file: Path, workload: Workload, inputs: Inputs, card: Card, graph: bool = False
) -> str:
    """Writes a saved model as an MLflow model, which `mlflow.pyfunc.load_model` loads.

    It holds the file itself, and is loaded by `search.tracking.served`. A workload that is not installed is
    not imported for a file's sake: its model is written as a graph too, where `torch.export` can.

    Args:
        folder: Where to; it must not be there yet.
        file: The saved model.
        workload: What trained it.
        inputs: A batch of its inputs, of two examples at least.
        card: What its card says.
        graph: Whether a graph is wanted of an installed workload's model too.

    Returns:
        The card's text, which also says whether the model's code has changed since it was trained.

    Raises:
        UsageError: The file cannot be read.
    """
    from mlflow import pyfunc
    from mlflow.models import infer_signature

    saved = load_model(file, workload)
    if saved.changed:
        card = replace(card, lines=(f"{saved.changed}.", *card.lines))
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    arrays = [np.array(each[:_EXAMPLES]) for each in given]
    example = arrays[0] if len(arrays) == 1 else {f"input_{i}": each for i, each in enumerate(arrays)}
    outputs = ServedModel(saved.model).predict(example)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "saved"
        data.mkdir()
        shutil.copy2(file, data / file.name)
        if graph or workload.name not in workloads():
            made = _export(saved.model, tuple(map(torch.as_tensor, arrays)), data / GRAPH)
            if made and saved.changed:
                (data / CHANGED).write_text(saved.changed, encoding="utf-8")
        pyfunc.save_model(
            folder,
            loader_module=_LOADER,
            data_path=str(data),
            signature=infer_signature(example, outputs),
            input_example=example,
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy")],
            metadata={"title": card.title, **card.configuration},
        )
    (folder / CARD).write_text(card.text, encoding="utf-8")
    return card.text


def _export(module: nn.Module, example: tuple[Tensor, ...], file: Path) -> bool:
    """Writes a model as a graph for batches of any size; returns whether that was possible.

    A model whose steps depend on values, as those of an LSTM over packed texts do, has no graph.
    """
    auto = torch.export.Dim.AUTO
    sizes = tuple({dim: auto for dim, size in enumerate(each.shape) if size > 1} for each in example)
    try:
        program = torch.export.export(module, example, dynamic_shapes=sizes)
        program.example_inputs = None
        torch.export.save(program, file)
    except Exception:
        file.unlink(missing_ok=True)
        return False
    return True
