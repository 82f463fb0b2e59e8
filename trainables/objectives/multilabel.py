"""Several binary labels an example, under binary cross entropy."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from dropattack import UsageError
from dropattack.task import LogProbabilities, Loss
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.objectives.objective import Measure, Objective
from trainables.vision import torchmetrics

_METRICS = {
    "accuracy": ("multilabel_accuracy", {"average": "micro"}),
    "exact_match": ("multilabel_exact_match", {}),
    "macro_f1": ("multilabel_f1_score", {}),
    "auroc": ("multilabel_auroc", {}),
    "average_precision": ("multilabel_average_precision", {}),
}


@dataclass(frozen=True)
class MultiLabel(Objective):
    """Several labels an example: outputs are logits and labels 0 or 1, both ``[batch, labels]``.

    It measures the share of single labels that are right (accuracy), the share of examples with all labels
    right (exact_match), and means over the labels of F1, AUROC and average precision.
    """

    @override
    def loss(self, train: Split, data: Data, smoothing: float) -> Loss:
        labels = train.labels
        if labels.ndim != 2 or not bool(((labels == 0) | (labels == 1)).all()):
            raise UsageError(
                f"labels of several classes must be 0 or 1 in [n, labels], not {list(labels.shape)}"
            )
        return partial(_binary_cross_entropy, smoothing=smoothing)

    @property
    @override
    def log_probabilities(self) -> LogProbabilities | None:
        return _there_or_not

    @override
    def measures(self, data: Data | None = None) -> Mapping[str, Measure]:
        return {
            name: Measure(partial(_measure, function, options))
            for name, (function, options) in _METRICS.items()
        }


def _binary_cross_entropy(outputs: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    wanted = labels.to(outputs) * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(outputs, wanted)


def _there_or_not(outputs: Tensor) -> Tensor:
    logits = outputs.float() if outputs.dtype.itemsize < 4 else outputs
    return torch.stack([F.logsigmoid(logits), F.logsigmoid(-logits)], -1)


def _measure(function: str, options: Mapping[str, Any], outputs: Tensor, labels: Tensor) -> Any:
    of = getattr(torchmetrics().functional.classification, function)
    return of(outputs.sigmoid(), labels.long(), num_labels=outputs.shape[1], **options)
