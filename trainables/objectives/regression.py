"""Regression: numbers to predict, under the mean squared error."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from dropattack import UsageError
from dropattack.task import Loss
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.objectives.objective import Measure, Objective


@dataclass(frozen=True)
class Regression(Objective):
    """Numbers to predict: labels ``[batch]`` or ``[batch, values]``, float; outputs of the same shape.

    Outputs may be ``[batch, 1]`` for labels ``[batch]``. It measures the root of the mean squared error
    (rmse), the mean absolute error (mae), both in the unit of the labels, and the share of explained variance
    (r2), over all values at once.
    """

    @override
    def loss(self, train: Split, data: Data, smoothing: float) -> Loss:
        if not train.labels.is_floating_point():
            kind = str(train.labels.dtype).removeprefix("torch.")
            raise UsageError(
                f"regression needs numbers as labels, of type float32, and they are {kind}; "
                "if they are whole numbers, set the dataset's regression=True"
            )
        if smoothing:
            raise UsageError("label_smoothing is for classes; leave it at 0 in a regression")
        return _squared_error

    @property
    @override
    def smooths(self) -> bool:
        return False

    @override
    def measures(self, data: Data | None = None) -> Mapping[str, Measure]:
        return {
            "rmse": Measure(lambda outputs, labels: _squared_error(outputs, labels).sqrt(), False),
            "mae": Measure(lambda outputs, labels: F.l1_loss(_met(outputs, labels), labels), False),
            "r2": Measure(_explained),
        }


def _met(outputs: Tensor, labels: Tensor) -> Tensor:
    """The outputs in the shape of the labels."""
    if outputs.ndim == labels.ndim + 1 and outputs.shape[-1] == 1:
        outputs = outputs.squeeze(-1)
    if outputs.shape != labels.shape:
        raise UsageError(f"outputs {list(outputs.shape)} must have the shape of labels {list(labels.shape)}")
    return outputs


def _squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.mse_loss(_met(outputs, labels), labels)


def _explained(outputs: Tensor, labels: Tensor) -> Tensor:
    left = _squared_error(outputs, labels)
    spread = labels.var(dim=0, correction=0).mean()
    return torch.where(spread > 0, 1 - left / spread, torch.nan)
