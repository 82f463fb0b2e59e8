"""AWP: adversarial weights on top of adversarial inputs.

Of an embedding matrix the rule moves only the rows in the batch, since the others have no gradient. The norm
of the whole matrix decides how far they move.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method
from dropattack.methods.balls import projected_step
from dropattack.methods.sam import SAM, SAMSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import norm, scaled
from dropattack.registry import register
from dropattack.settings import EPS_ZERO, Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.names import find_input, trainable_targets
from dropattack.targets.target import Target, attached
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class AWPSettings(AttackSettings):
    """Hyperparameters of AWP."""

    gamma: float = setting(0.01, "Size γ of each weight's perturbation, relative to its norm.", low=0)
    epsilon: float = setting(8 / 255, "Largest change of an input's element.", low=0)
    alpha: float = setting(2 / 255, "Size of an ascent step on the input.", low=0)
    k: int = setting(3, "Ascent steps K on the input; 0 attacks weights alone.", low=0)

    @property
    @override
    def control_experiment(self) -> str:
        """``eps-zero`` where neither weights nor inputs are attacked."""
        still = self.k == 0 or min(self.epsilon, self.alpha) == 0
        return EPS_ZERO if self.gamma == 0 and still else ""

    @property
    @override
    def passes(self) -> int:
        """K + 2."""
        return self.k + 2


@register
class AWP(Method[AWPSettings]):
    """Adversarial inputs, then on top of them v = γ ‖w‖ g / ‖g‖ for each weight of two dimensions or more.

    The inputs are attacked by K L∞ steps without a random start: pixels, or for text the vectors of tokens.
    The one-step proxy of the source equals this v: the normalisation cancels its learning rate.
    """

    name = "awp"
    summary = "Adversarial weight perturbation on top of adversarial inputs."
    equation = (
        "∇L(w + γ‖w‖ g/‖g‖, x′), g = ∇_w L(w, x′); "
        "x′ = x + δ_K, δ_{k+1} = Π_ε(δ_k + α sign(∇ₓL(w, x + δ_k))), δ_0 = 0"
    )
    source = "Wu et al. 2020, Algorithm 1."
    cost = "K + 2"
    settings_type = AWPSettings

    @classmethod
    @override
    def canonical(cls, settings: AWPSettings, words: bool) -> tuple[str, Settings]:
        """Where the input cannot move, its sizes do not count; without any attack it is SAM with ρ = 0."""
        if settings.k > 0:
            still = min(settings.alpha, settings.epsilon) == 0
            return cls.name, replace(settings.without("alpha"), epsilon=0.0) if still else settings
        if settings.gamma == 0:
            return SAM.canonical(SAMSettings(rho=0.0, **settings.shared), words)
        return cls.name, settings.without("alpha", "epsilon")

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        settings = self.settings
        inputs, labels = batch
        weights = [t for t in trainable_targets(model, self.task) if t.parameter.dim() > 1]
        inner: list[Target] = [find_input(model, self.task, inputs)] if settings.k else []
        perturbation: Tensor | None = None
        shares: list[Tensor] = []
        with ExitStack() as stack:
            stack.enter_context(attached([*weights, *inner]))
            loss, outputs, found = self.gradients(model, inputs, labels, inner or weights)
            stack.enter_context(frozen_batch_statistics(model))
            for remaining in reversed(range(settings.k)):
                (target,), (gradient,) = inner, found
                if gradient is None:
                    raise target.unused()
                perturbation, share = projected_step(
                    target, perturbation, gradient, settings.alpha, settings.epsilon, "linf"
                )
                target.shift(perturbation)
                shares.append(share)
                _, _, found = self.gradients(model, inputs, labels, inner if remaining else weights)
            for target, gradient in zip(weights, found, strict=True):
                if gradient is not None:
                    size = settings.gamma * norm(target.parameter.detach())
                    shift, share = scaled(gradient, size, norm(gradient))
                    target.shift(shift)
                    shares.append(share)
            self.forward_backward(model, inputs, labels)
        return StepResult(loss, outputs, {"skipped": torch.stack(shares).mean()})
