"""Standard training: one pass, one update. The baseline of every comparison, and the control of its cost."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from dropattack.method import Method
from dropattack.modes import KeptStatistics
from dropattack.registry import register
from dropattack.settings import EQUAL_PASSES, SAME_UPDATES, Settings, setting
from dropattack.step_result import StepResult
from dropattack.task import Batch, Task

MORE, SAME = "more", "same"


@dataclass(frozen=True, kw_only=True)
class StandardSettings(Settings):
    """Hyperparameters of standard training.

    Attributes:
        rounds: Times that an epoch goes through the data, shuffled anew each time; with 2.5 the last round
            takes half of the batches. The training loop repeats the data; a step is one pass.
        updates: ``more`` makes one update a batch, so further rounds make more updates. ``same`` makes as
            many updates as one round, each from the mean gradient of several batches; with 2.5 rounds, of two
            and three in turn.
        rounds_start: Share of the training after which there are further rounds; see
            `ScheduledSettings.start`.
    """

    rounds: float = setting(
        1.0, "Times an epoch goes through the data: as many passes as a method that costs so many.", low=1
    )
    updates: str = setting(
        MORE,
        "Further rounds make more updates, or the same number of updates of more batches each.",
        choices=(MORE, SAME),
    )
    rounds_start: float = setting(
        0.0, "Share of the training after which there are further rounds.", low=0, high=0.99
    )

    @override
    def rounds_at(self, until: float) -> float:
        return self.rounds if until > self.rounds_start else 1.0

    @property
    @override
    def control_experiment(self) -> str:
        """``equal-passes`` with several rounds, or ``same-updates``."""
        if self.rounds == 1:
            return ""
        return SAME_UPDATES if self.updates == SAME else EQUAL_PASSES


def nearest(number: float) -> int:
    """The nearest whole number of batches; halves are rounded up, so that parts of rounds add up."""
    return math.floor(number + 0.5)


@register
class Standard(Method[StandardSettings]):
    """Plain gradient descent on the clean loss.

    At equal epochs, a method of n passes a step computes n times as much. Two controls give standard training
    the same computation: ``rounds: n``, with n times the updates or with the same number of them.
    """

    name = "standard"
    summary = "Plain training, no attack."
    equation = "∇L(w)"
    source = "The baseline of DropAttack's Table 2."
    settings_type = StandardSettings

    def __init__(self, settings: StandardSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._statistics: KeptStatistics | None = None
        self._taken = self._made = 0

    @classmethod
    @override
    def canonical(cls, settings: StandardSettings, words: bool) -> tuple[str, Settings]:
        """With a single round, neither ``updates`` nor ``rounds_start`` counts."""
        return cls.name, settings.without("rounds_start", "updates") if settings.rounds == 1 else settings

    @override
    def begin_epoch(self, progress: float) -> None:
        """See `Method.begin_epoch`; no update spans two epochs."""
        self._taken = self._made = 0

    @classmethod
    @override
    def accumulates(cls, settings: StandardSettings) -> bool:
        """See `Method.accumulates`; ``updates: same`` itself gathers several batches an update."""
        return settings.rounds == 1 or settings.updates == MORE

    @classmethod
    @override
    def may_be_left(cls, settings: StandardSettings) -> bool:
        """See `Method.may_be_left`; false where an update gathers batches from step to step."""
        return settings.rounds == 1 or settings.updates == MORE

    @override
    def own_step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.own_step`; the last batch of an update makes it."""
        rounds = self.settings.rounds_at(self.until)
        if rounds == 1 or self.settings.updates == MORE:
            return super().own_step(model, batch, optimizer)
        first, end = nearest(self._made * rounds), nearest((self._made + 1) * rounds)
        if self._taken == first:
            optimizer.zero_grad(set_to_none=True)
            self._statistics = KeptStatistics(model)
        loss, outputs = self.forward_backward(model, *batch, weight=1 / (end - first))
        seen = StepResult(loss, outputs, {"skipped_updates": torch.zeros_like(loss)})
        self._taken += 1
        if self._taken < end or self._statistics is None:
            return seen
        self._made += 1
        return self.concluded(seen, model, optimizer, self._statistics)

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        return self.plain(model, batch)
