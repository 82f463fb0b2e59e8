"""A model's outputs as probability distributions, and the divergence between two of them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dropattack.batches import Labelled
from dropattack.errors import UsageError
from dropattack.task import Batch, Task

_LABELS = "labels"
_COARSE = (torch.float16, torch.bfloat16)
_IGNORED = -100
"""The class number that stands for no label, in torch's losses and Hugging Face's batches."""


def log_probabilities(outputs: Any, batch: Batch, task: Task) -> Tensor:
    """The distributions over classes that a model's outputs stand for.

    Args:
        outputs: Of a pass on ``batch``.
        batch: Arranged. Where the task defines no distributions and labels are class numbers, outputs are
            logits, with classes in the dimension that the labels lack.
        task: See `Task.log_probabilities`.

    Returns:
        Logarithms of probabilities, ``[…, classes]``, with their graph.

    Raises:
        UsageError: Neither task nor labels define a distribution, as in a regression.
    """
    if task.log_probabilities is not None:
        return task.log_probabilities(outputs)
    logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    dim = None if logits is None else _classes_in(logits, batch, task)
    if logits is None or dim is None:
        raise UsageError(
            "the method compares distributions over classes, and these outputs and labels are not those of a "
            "classification; set Task(log_probabilities=…), a function of outputs, or use another method"
        )
    found = F.log_softmax(logits.float() if logits.dtype in _COARSE else logits, dim)
    return found.movedim(dim, -1)


def divergence(p: Tensor, q: Tensor, batch: Batch) -> Tensor:
    """The mean of KL(p ‖ q) = Σ p (log p − log q) over distributions, as a loss averages over labels.

    Args:
        p: Logarithms of probabilities, ``[…, classes]``.
        q: The same shape.
        batch: Arranged. Where each example has several class numbers, one for each distribution, the mean
            leaves out those labelled −100, which are padding. An example whose only label is −100 counts.

    Returns:
        0-dimensional, ≥ 0.
    """
    apart = (p.exp() * (p - q)).sum(-1)
    labels = _labels_of(batch)
    if not isinstance(labels, Tensor) or labels.is_floating_point():
        return apart.mean()
    if labels.dim() < 2 or labels.shape != apart.shape:
        return apart.mean()
    counted = labels != _IGNORED
    return apart.where(counted, 0).sum() / counted.sum().clamp(min=1)


def _labels_of(batch: Batch) -> Any:
    inputs, labels = batch
    if isinstance(labels, Labelled):
        labels = labels.labels
    return inputs.get(_LABELS) if labels is None and isinstance(inputs, dict) else labels


def _classes_in(logits: Tensor, batch: Batch, task: Task) -> int | None:
    """The dimension of logits that classes are in; ``None`` where labels are not of classes.

    It is the second, as in torch's losses, or the last, as in Hugging Face's models. Labels can fit both, as
    for texts with as many words as there are classes. Then it is the last for a model that receives its
    labels, the second for torch's cross entropy, and unknown, ``None``, for any other loss.
    """
    labels = _labels_of(batch)
    if not isinstance(labels, Tensor) or not logits.is_floating_point():
        return None
    shape, default = logits.shape, task.loss is F.cross_entropy
    if labels.is_floating_point():
        return 1 if default and labels.shape == shape and labels.dim() > 1 else None
    fitting = [
        dim
        for dim in dict.fromkeys((1, logits.dim() - 1))
        if logits.dim() > 1 and shape[dim] > 1 and labels.shape == shape[:dim] + shape[dim + 1 :]
    ]
    if len(fitting) > 1:
        if batch[1] is None:
            return fitting[-1]
        return fitting[0] if default and task.compute is None else None
    return fitting[0] if fitting else None
