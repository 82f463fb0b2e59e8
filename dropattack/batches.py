"""Batches of any form: what the model is called with, what its loss needs, and how many examples there are.

A loader may yield ``(inputs, labels)``, a mapping such as Hugging Face's, or more parts. A method receives
inputs and labels.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves

from dropattack.errors import UsageError
from dropattack.task import Arguments, Batch, Labels, Loss, Task
from dropattack.wrappers import takes

LABELS = "labels"


class Labelled(NamedTuple):
    """Labels, and the further arguments of a loss, such as the weight of each example."""

    labels: Any
    further: tuple[Any, ...]


def arranged(batch: Any, task: Task, model: nn.Module) -> Batch:
    """A loader's batch as inputs and labels.

    Args:
        batch: ``(inputs, labels)``; ``(inputs, labels, …)`` with further arguments of the loss; a mapping,
            which the model is called with as ``model(**batch)``; or inputs alone. Inputs may be a tensor, a
            tuple or a list (``model(*inputs)``), or a mapping (``model(**inputs)``).
        task: Decides whether the model computes the loss. Any other loss receives what a mapping holds under
            ``labels``.
        model: A model without an argument ``labels`` computes no loss of its own.

    Returns:
        Inputs and labels; labels are ``None`` where the model computes its loss.

    Raises:
        UsageError: The batch has none of these forms.
    """
    if type(batch) is tuple and len(batch) == 2 and isinstance(batch[0], Tensor):
        return batch
    if isinstance(batch, Mapping):
        named = dict(batch)
        own = task.compute is not None or (task.loss is F.cross_entropy and takes(model, LABELS))
        return named, None if own else named.pop(LABELS, None)
    if isinstance(batch, Tensor | PackedSequence):
        return batch, None
    if not isinstance(batch, tuple | list) or not batch:
        raise UsageError(
            f"a batch must be (inputs, labels) or a mapping for model(**batch), not {type(batch).__name__}"
        )
    inputs: Any = batch[0]
    rest = batch[1:]
    if isinstance(inputs, Mapping):
        inputs = dict(inputs)
    elif isinstance(inputs, list):
        inputs = tuple(inputs)
    if len(rest) > 1:
        return inputs, Labelled(rest[0], tuple(rest[1:]))
    return inputs, rest[0] if rest else None


def size_of(batch: Batch) -> int:
    """How many examples an arranged batch has: the length of its first tensor, labels before inputs."""
    inputs, labels = batch
    if isinstance(labels, Tensor) and labels.dim():
        return len(labels) if labels.numel() else 0
    for part in (labels, inputs):
        for leaf in (part,) if isinstance(part, Tensor) else tree_leaves(part):
            if isinstance(leaf, Tensor) and leaf.dim():
                return len(leaf) if leaf.numel() else 0
    return 1


def called(model: nn.Module, inputs: Arguments) -> Any:
    """The outputs of a model for its inputs."""
    if isinstance(inputs, dict):
        return model(**inputs)
    if isinstance(inputs, tuple) and not isinstance(inputs, PackedSequence):
        return model(*inputs)
    return model(inputs)


def loss_of(loss: Loss, outputs: Any, labels: Labels) -> Tensor:
    """The loss of outputs; the model's own where there are no labels and ``loss`` is the default one.

    Raises:
        UsageError: The default loss does not fit outputs or labels.
    """
    further: tuple[Any, ...] = ()
    if isinstance(labels, Labelled):
        labels, further = labels
    if loss is not F.cross_entropy:
        return loss(outputs, labels, *further)
    if labels is None:
        return _own_loss(outputs)
    logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    wrong = ""
    if not isinstance(logits, Tensor):
        wrong = f"needs a tensor of logits, and the model returns {type(outputs).__name__}"
    elif not isinstance(labels, Tensor):
        wrong = f"needs a tensor of labels, and the batch has {type(labels).__name__}"
    elif further:
        wrong = f"takes labels alone, and the batch has {1 + len(further)} parts behind its inputs"
    if wrong:
        raise UsageError(f"the default loss {wrong}; set Task(loss=…), a function of outputs and labels")
    return F.cross_entropy(cast(Tensor, logits), labels)


def _own_loss(outputs: Any) -> Tensor:
    """The loss that a model computed: ``outputs.loss``, ``outputs["loss"]``, a tuple's first, or a scalar."""
    if isinstance(outputs, Mapping):
        found = outputs.get("loss")
    elif isinstance(outputs, tuple | list):
        found = outputs[0] if outputs else None
    else:
        found = getattr(outputs, "loss", outputs)
    if not isinstance(found, Tensor) or found.dim() > 1:
        raise UsageError(
            "the batch has no labels, and the model's outputs hold no loss; make batches of "
            "(inputs, labels), or pass the model its labels"
        )
    return found
