"""Standard training: one pass, one update. The baseline of every comparison, and the control of its cost."""

from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from dropattack.errors import UsageError
from dropattack.method import Method, StepResult
from dropattack.modes import KeptStatistics
from dropattack.registry import register
from dropattack.settings import EQUAL_PASSES, SAME_UPDATES, Settings, setting
from dropattack.task import Batch, Task


@dataclass(frozen=True, kw_only=True)
class StandardSettings(Settings):
    """Hyperparameters of standard training.

    Attributes:
        rounds: Times that an epoch goes through the data, shuffled anew each time; for 2.5 the last time
            takes half of the batches. The training loop does the repeating; a step is one pass.
        batches: With n, the gradients of n batches are averaged for each update. It divides `rounds`, so
            that an epoch has whole updates.
        start: Share of the training after which the two count; before that, both are 1.

    Raises:
        UsageError: `batches` does not divide `rounds`.
    """

    rounds: float = setting(
        1.0, "Times an epoch goes through the data: as many passes as a method that costs so many.", low=1
    )
    batches: int = setting(
        1, "Batches whose mean gradient makes an update: as many passes an update as such a method.", low=1
    )
    start: float = setting(
        0.0, "Share of the training after which rounds and batches count.", low=0, high=0.99
    )

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batches > 1 and self.rounds % self.batches:
            raise UsageError(
                f"{self.rounds:g} rounds do not make whole updates of {self.batches} batches; "
                "set rounds to a multiple of batches"
            )

    @override
    def rounds_at(self, progress: float) -> float:
        return self.rounds if progress >= self.start else 1.0

    @property
    @override
    def control_experiment(self) -> str:
        """``equal-passes`` with several rounds, ``same-updates`` with several batches."""
        return SAME_UPDATES if self.batches > 1 else EQUAL_PASSES if self.rounds > 1 else ""


@register
class Standard(Method[StandardSettings]):
    """Plain gradient descent on the clean loss.

    Compared at equal epochs, a method of n passes a step sees n times the computation. Two controls give it
    to standard training: ``rounds`` takes n times the updates, and ``batches`` beside it takes as many
    updates, each of n batches.
    """

    name = "standard"
    summary = "Plain training, no attack."
    source = "The baseline of DropAttack's Table 2."
    settings_type = StandardSettings

    def __init__(self, settings: StandardSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._gathered = 0
        self._statistics: KeptStatistics | None = None

    @classmethod
    @override
    def canonical(cls, settings: StandardSettings, words: bool) -> tuple[str, Settings]:
        """A single round has no beginning."""
        return cls.name, settings.without("start") if settings.rounds == 1 else settings

    @override
    def begin_epoch(self, progress: float) -> None:
        """See `Method.begin_epoch`; forgets gradients that have made no update."""
        super().begin_epoch(progress)
        self._gathered = 0

    @override
    def own_step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.own_step`; with several batches every n-th step updates."""
        batches = self.settings.batches if self._progress >= self.settings.start else 1
        self._gathered = self._gathered % batches + 1
        if batches == 1:
            return super().own_step(model, batch, optimizer)
        if self._gathered == 1:
            optimizer.zero_grad(set_to_none=True)
            self._statistics = KeptStatistics(model)
        loss, outputs = self.forward_backward(model, *batch, weight=1 / batches)
        seen = StepResult(loss, outputs, {"skipped_updates": torch.zeros_like(loss)})
        if self._gathered < batches or self._statistics is None:
            return seen
        return self.concluded(seen, model, optimizer, self._statistics)

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        return self.plain(model, batch)
