"""R-Drop: two passes of one batch under two dropout masks, trained towards the same predictions."""

from dataclasses import dataclass

from torch import nn
from typing_extensions import override

from dropattack.attack_settings import ScheduledSettings
from dropattack.distributions import divergence, log_probabilities
from dropattack.method import Method
from dropattack.modes import frozen_batch_statistics
from dropattack.passes import detached
from dropattack.registry import register
from dropattack.settings import setting
from dropattack.step_result import StepResult
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class RDropSettings(ScheduledSettings):
    """Hyperparameters of R-Drop."""

    kl_weight: float = setting(
        1.0, "Weight α of the divergence; the source has 1 to 5 on texts, .6 on images.", low=0
    )

    @property
    @override
    def needs_distribution(self) -> bool:
        return True

    @property
    @override
    def passes(self) -> int:
        """2."""
        return 2


@register
class RDrop(Method[RDropSettings]):
    """½ (L₁ + L₂) + α · ½ (KL(f₁ ‖ f₂) + KL(f₂ ‖ f₁)), for the outputs f₁ and f₂ of two passes.

    This is the loss of the authors' code. Equation 4 of the paper is twice it, with α/2 in place of α. Both
    graphs are alive at the end. Without dropout in the model both passes agree, and the step is a plain one
    at twice the cost.
    """

    name = "r-drop"
    summary = "Two dropout masks on one batch, and the divergence between their predictions."
    equation = "∇[½ (L₁ + L₂) + α · ½ (KL(f₁ ‖ f₂) + KL(f₂ ‖ f₁))], α = kl_weight"
    source = "Liang et al. 2021, equation 4 and Algorithm 1."
    cost = "2"
    settings_type = RDropSettings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        loss, outputs = self.forward(model, *batch)
        one = log_probabilities(outputs, batch, self.task)
        with frozen_batch_statistics(model):
            again, others = self.forward(model, *batch)
        other = log_probabilities(others, batch, self.task)
        apart = (divergence(one, other, batch) + divergence(other, one, batch)) / 2
        self.propagate((loss + again) / 2 + self.settings.kl_weight * apart)
        return StepResult(loss.detach(), detached(outputs))
