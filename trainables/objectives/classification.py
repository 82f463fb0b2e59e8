"""Classification: one class an example, under cross entropy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from dropattack import UsageError
from dropattack.errors import unknown
from dropattack.task import LogProbabilities, Loss
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.objectives.objective import Measure, Measured, Objective, number, outputs_of
from trainables.recipe.measured import LOSS
from trainables.recipe.metrics import measure as confusion_of
from trainables.recipe.metrics import scores
from trainables.vision import torchmetrics

NONE, BALANCED = "none", "balanced"
_PLAIN = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Classification(Objective):
    """One class an example: outputs are logits ``[batch, classes]``, labels class numbers ``[batch]``, int64.

    It always measures accuracy and macro F1, and F1 if the dataset names a positive class.

    Attributes:
        metrics: Further metrics: balanced_accuracy, auroc, average_precision, calibration_error, mcc. Ranking
            metrics are for the positive class of two, by default the second; with more classes they are means
            over the classes.
        class_weights: Weights in the training loss: ``none``; ``balanced``, the inverse of the frequency of
            each class in a trial's training examples; or one number for each class. Validation and test are
            not weighted.

    Raises:
        UsageError: A metric is unknown, or weights are neither a known word nor numbers.

    Examples:
        >>> sorted(Classification(metrics=("auroc",)).names)
        ['accuracy', 'auroc', 'f1', 'loss', 'macro_f1']
    """

    metrics: Sequence[str] = ()
    class_weights: str | Sequence[float] = NONE

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in (*_FURTHER, *_PLAIN, "f1"):
                raise unknown("metric of classification", name, [*_PLAIN, *_FURTHER])
        if isinstance(self.class_weights, str):
            if self.class_weights not in (NONE, BALANCED):
                raise unknown("value of class_weights", self.class_weights, [NONE, BALANCED])
        elif not all(weight >= 0 for weight in self.class_weights) or not any(self.class_weights):
            raise UsageError("class_weights must be numbers ≥ 0, and not all of them 0")

    @override
    def loss(self, train: Split, data: Data, smoothing: float) -> Loss:
        for split in (train, data.valid, data.test):
            check_classes(split.labels, data.classes)
        weights = self._weights(train, data)
        if weights is None:
            return partial(F.cross_entropy, label_smoothing=smoothing)
        return partial(_weighted, weights=weights, smoothing=smoothing)

    def _weights(self, train: Split, data: Data) -> Tensor | None:
        if self.class_weights == NONE:
            return None
        if self.class_weights == BALANCED:
            counts = torch.bincount(train.labels, minlength=data.classes)
            weights = len(train) / (data.classes * counts.clamp(min=1))
            return torch.where(counts > 0, weights, 0.0)
        weights = torch.tensor(self.class_weights, dtype=torch.float32, device=train.labels.device)
        if len(weights) != data.classes:
            raise UsageError(
                f"class_weights has {len(weights)} numbers for {data.classes} classes; give one for each"
            )
        return weights

    @override
    def measures(self, data: Data | None = None) -> Mapping[str, Measure]:
        plain = (*_PLAIN, "f1") if data is None or data.positive is not None else _PLAIN
        further = [name for name in self.metrics if name in _FURTHER]
        return {name: Measure(_confusion_tells) for name in plain} | {
            name: Measure(partial(_FURTHER[name][0], data), _FURTHER[name][1]) for name in further
        }

    @override
    def measure(self, model: nn.Module, split: Split, data: Data) -> Measured:
        loss, confusion, right = confusion_of(model, split, data.classes)
        found = {LOSS: loss, **scores(confusion, data.positive)}
        further = {n: m for n, m in self.measures(data).items() if n not in found}
        if further:
            outputs, labels = outputs_of(model, split)
            found |= {name: number(name, each.of(outputs, labels)) for name, each in further.items()}
        return Measured(found, confusion.tolist(), right)

    @override
    def hits(self, outputs: Any, labels: Tensor) -> Tensor | None:
        right: Tensor = (outputs.argmax(1) == labels).sum()
        return right

    @property
    @override
    def log_probabilities(self) -> LogProbabilities | None:
        return _log_softmax

    @property
    @override
    def classifies(self) -> bool:
        return True


def check_classes(labels: Tensor, classes: int) -> None:
    """Refuses labels that are no numbers of classes.

    Raises:
        UsageError: They are not of int64, or not in [0, classes).
    """
    if labels.dtype != torch.int64:
        kind = str(labels.dtype).removeprefix("torch.")
        raise UsageError(
            f"classification needs class numbers as labels, of type int64, and they are {kind}; "
            "if they are no classes, set the workload's objective=Regression() or MultiLabel(); if they are, "
            "set the dataset's regression=False"
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise UsageError(
            f"labels range from {int(labels.min())} to {int(labels.max())}, and there are {classes} classes; "
            "number them from 0"
        )


def _weighted(outputs: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(outputs, labels, weights.to(outputs), label_smoothing=smoothing)


def _log_softmax(outputs: Tensor) -> Tensor:
    return F.log_softmax(outputs.float() if outputs.dtype.itemsize < 4 else outputs, 1)


def _confusion_tells(outputs: Any, labels: Tensor) -> Any:
    raise AssertionError("what a confusion matrix tells is read from it")


def _probabilities(data: Data | None, outputs: Tensor) -> tuple[Tensor, int, int]:
    """Probabilities, the number of classes, and the positive class of two."""
    classes = outputs.shape[1]
    positive = 1 if data is None or data.positive is None else data.positive
    return outputs.softmax(1), classes, positive


def _balanced_accuracy(data: Data | None, outputs: Tensor, labels: Tensor) -> Tensor:
    recalls = [(outputs[labels == c].argmax(1) == c).double().mean() for c in labels.unique().tolist()]
    return torch.stack(recalls).mean()


def _ranking(binary: str, multiclass: str) -> Callable[[Data | None, Tensor, Tensor], Any]:
    def of(data: Data | None, outputs: Tensor, labels: Tensor) -> Any:
        functions = torchmetrics().functional.classification
        chances, classes, positive = _probabilities(data, outputs)
        if classes == 2:
            return getattr(functions, binary)(chances[:, positive], (labels == positive).long())
        return getattr(functions, multiclass)(chances, labels, num_classes=classes)

    return of


def _calibration_error(data: Data | None, outputs: Tensor, labels: Tensor) -> Any:
    """Expected calibration error of the predicted class, in 15 bins of its probability."""
    functions = torchmetrics().functional.classification
    return functions.multiclass_calibration_error(outputs.softmax(1), labels, num_classes=outputs.shape[1])


def _mcc(data: Data | None, outputs: Tensor, labels: Tensor) -> Any:
    functions = torchmetrics().functional.classification
    return functions.multiclass_matthews_corrcoef(outputs, labels, num_classes=outputs.shape[1])


_FURTHER: Mapping[str, tuple[Callable[[Data | None, Tensor, Tensor], Any], bool]] = {
    "balanced_accuracy": (_balanced_accuracy, True),
    "auroc": (_ranking("binary_auroc", "multiclass_auroc"), True),
    "average_precision": (_ranking("binary_average_precision", "multiclass_average_precision"), True),
    "calibration_error": (_calibration_error, False),
    "mcc": (_mcc, True),
}
