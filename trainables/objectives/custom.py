"""An objective of a user's own: any loss, any metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from typing_extensions import override

from dropattack import UsageError
from dropattack.task import LogProbabilities, Loss
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.objectives.objective import Measure, Objective


@dataclass(frozen=True)
class CustomObjective(Objective):
    """Any loss and any metrics.

    Attributes:
        of: ``of(outputs, labels)`` returns a scalar tensor, averaged over the batch.
        metrics: Metrics of a whole split, beside the loss, by name; a plain function counts as a `Measure`
            whose larger values are better.
        distributions: The distributions that outputs stand for, see `Task.log_probabilities`; methods that
            compare distributions need it.

    Examples:
        >>> import torch
        >>> def huber(outputs, labels):
        ...     return torch.nn.functional.huber_loss(outputs.squeeze(1), labels)
        >>> def worst(outputs, labels):
        ...     return (outputs.squeeze(1) - labels).abs().max()
        >>> CustomObjective(huber, {"worst": Measure(worst, larger_is_better=False)}).names
        ('loss', 'worst')
    """

    of: Loss
    metrics: Mapping[str, Measure | Callable[[Any, Tensor], Any]] = field(default_factory=dict)
    distributions: LogProbabilities | None = None

    @override
    def loss(self, train: Split, data: Data, smoothing: float) -> Loss:
        if smoothing:
            raise UsageError("label_smoothing is for classification; put it into your own loss")
        return self.of

    @property
    @override
    def log_probabilities(self) -> LogProbabilities | None:
        return self.distributions

    @property
    @override
    def smooths(self) -> bool:
        return False

    @override
    def measures(self, data: Data | None = None) -> Mapping[str, Measure]:
        return {n: m if isinstance(m, Measure) else Measure(m) for n, m in self.metrics.items()}
