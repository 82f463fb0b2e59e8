"""Standard training: one pass, one update. The baseline of every comparison."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from dropattack.method import Method, StepResult
from dropattack.registry import register
from dropattack.settings import EQUAL_PASSES, Settings, setting
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class StandardSettings(Settings):
    """Hyperparameters of standard training."""

    rounds: int = setting(
        1, "Times an epoch goes through the data: as many passes as a method that costs so many.", low=1
    )

    @property
    @override
    def control_experiment(self) -> str:
        """``equal-passes`` with several rounds."""
        return EQUAL_PASSES if self.rounds > 1 else ""


@register
class Standard(Method[StandardSettings]):
    """Plain gradient descent on the clean loss.

    With ``rounds`` it is the control of equal passes: compared at equal epochs, a method of n passes per step
    sees n times the computation, so standard training is given n times the data, shuffled anew each time.
    The training loop does the repeating; a step is one pass whatever ``rounds`` is.
    """

    name = "standard"
    summary = "Plain training, no attack."
    source = "The baseline of DropAttack's Table 2."
    settings_type = StandardSettings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        return StepResult(*self.forward_backward(model, *batch))
