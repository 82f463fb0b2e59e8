"""TRADES: the loss on the clean batch, and the divergence between clean and attacked predictions."""

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.distributions import divergence, log_probabilities
from dropattack.method import Method
from dropattack.methods.balls import projected_step, random_point
from dropattack.methods.divergences import divergence_gradient
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.modes import frozen_batch_statistics, in_eval_mode
from dropattack.passes import detached
from dropattack.perturbation import noise_like
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.activations import ActivationTarget
from dropattack.targets.names import find_input
from dropattack.targets.target import attached
from dropattack.task import Batch

NORMAL, UNIFORM = "normal", "uniform"
TRAIN, EVAL = "train", "eval"
_DEVIATION = 0.001
"""Standard deviation of the normal noise that the authors' code begins with."""


@dataclass(frozen=True, kw_only=True)
class TRADESSettings(AttackSettings):
    """Hyperparameters of TRADES.

    Attributes:
        noise: Where the attack begins: at N(0, .001²), as the authors' code does, or anywhere in the ball.
            At the clean batch itself the divergence has no gradient.
        attack_mode: The model's mode while the attack is computed. ``train`` is the mode of every other
            method here: BatchNorm normalises by the batch, dropout drops. ``eval`` is the mode of the
            authors' code; it takes a further forward pass, of the clean batch in that mode.
    """

    kl_weight: float = setting(6.0, "Weight β of the divergence; the source has 1 and 6.", low=0)
    epsilon: float = setting(8 / 255, "Radius of the ball around the input.", low=0)
    alpha: float = setting(2 / 255, "Size of one ascent step.", low=0)
    k: int = setting(10, "Ascent steps K.", low=1)
    norm: str = setting("linf", "Ball and step: L∞ with the gradient's sign, or L2.", choices=("linf", "l2"))
    noise: str = setting(NORMAL, "Begin at N(0, .001²), or uniformly in the ball.", choices=(NORMAL, UNIFORM))
    attack_mode: str = setting(TRAIN, "The model's mode while the attack is computed.", choices=(TRAIN, EVAL))
    clamp: bool = setting(False, "Keep attacked pixels in [0, 1]; for images that are not normalised.")

    @property
    @override
    def needs_pixels(self) -> bool:
        return self.clamp

    @property
    @override
    def pixel_change(self) -> float:
        return self.epsilon if self.norm == "linf" else 0.0

    @property
    @override
    def needs_distribution(self) -> bool:
        return True

    @property
    @override
    def passes(self) -> int:
        """K + 2; a forward pass alone is not counted."""
        return self.k + 2


@register
class TRADES(Method[TRADESSettings]):
    """L(f(x), y) + β KL(f(x) ‖ f(x′)), where x′ maximises the divergence in a ball around x.

    The update differentiates both f(x) and f(x′), as the authors' code does; the attack differentiates by x′
    alone. So the graph of the clean pass stays alive until that of the last attacked pass. The attack is on
    pixels, or for text on the vectors of tokens.
    """

    name = "trades"
    summary = "Clean loss, and the divergence between clean and attacked predictions."
    equation = (
        "∇[L(f(x), y) + β KL(f(x) ‖ f(x′))], β = kl_weight; "
        "x′ after K steps of α that raise the KL, each back into the ball of ε around x"
    )
    source = "Zhang et al. 2019, equation 5 and Algorithm 1."
    cost = "K + 2"
    settings_type = TRADESSettings

    @classmethod
    @override
    def canonical(cls, settings: TRADESSettings, words: bool) -> tuple[str, Settings]:
        """With β = 0 the attack does not count; with no room to move, only its passes count."""
        if settings.kl_weight == 0:
            return Standard.canonical(StandardSettings(), words)
        return cls.name, settings.without("alpha", "noise", "norm") if settings.epsilon == 0 else settings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        settings = self.settings
        target = find_input(model, self.task, batch[0])
        with ExitStack() as stack:
            stack.enter_context(attached([target]))
            loss, outputs = self.forward(model, *batch)
            clean = log_probabilities(outputs, batch, self.task)
            stack.enter_context(frozen_batch_statistics(model))
            share = self._attack(model, batch, clean.detach(), target)
            _, attacked = self.forward(model, *batch)
            raised = divergence(clean, log_probabilities(attacked, batch, self.task), batch)
            self.propagate(loss + settings.kl_weight * raised)
        return StepResult(loss.detach(), detached(outputs), {"skipped": share})

    def _attack(self, model: nn.Module, batch: Batch, clean: Tensor, target: ActivationTarget) -> Tensor:
        """Shifts the target by x′ − x; returns the share left out, a mean over the steps."""
        settings, shares = self.settings, []
        perturbation = self._in_range(target, self._noise(target))
        with in_eval_mode(model) if settings.attack_mode == EVAL else nullcontext():
            if settings.attack_mode == EVAL:
                with torch.no_grad():
                    clean = log_probabilities(self.forward(model, *batch)[1], batch, self.task)
            for _ in range(settings.k):
                target.shift(perturbation)
                gradient = divergence_gradient(self, model, batch, clean, target)
                moved, share = projected_step(
                    target, perturbation, gradient, settings.alpha, settings.epsilon, settings.norm
                )
                perturbation = self._in_range(target, moved)
                shares.append(share)
        target.shift(perturbation)
        return torch.stack(shares).mean()

    def _noise(self, target: ActivationTarget) -> Tensor:
        value, generator = target.value, self.task.generator
        if self.settings.noise == NORMAL:
            return target.kept(noise_like(value, generator).mul_(_DEVIATION))
        by: Literal["element", "row"] = "element" if self.settings.norm == "linf" else "row"
        kept = None if target.words is None else target.kept
        return target.kept(random_point(value, self.settings.epsilon, by, generator, kept))

    def _in_range(self, target: ActivationTarget, perturbation: Tensor) -> Tensor:
        """The perturbation, cut so that pixels stay in [0, 1] where ``clamp`` is set."""
        value = target.value
        return (value + perturbation).clamp_(0, 1).sub_(value) if self.settings.clamp else perturbation
