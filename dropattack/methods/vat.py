"""Virtual adversarial training: the divergence of predictions in the direction where they change most."""

from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.distributions import divergence, log_probabilities
from dropattack.method import Method
from dropattack.methods.divergences import divergence_gradient
from dropattack.methods.input_attacks import NORMALISED, TOKENS
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import noise_like, norm, scaled
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.names import find_input
from dropattack.targets.target import attached
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class VATSettings(AttackSettings):
    """Hyperparameters of virtual adversarial training.

    Attributes:
        xi: Distance from the input of the point whose gradient finds the direction. Single precision needs
            more than the 1e-6 of the authors' first code; their code for texts has 0.1.
        text_input: For text, the vectors of ``tokens``, or these ``normalised``; see `InputAttackSettings`.
    """

    kl_weight: float = setting(1.0, "Weight α of the divergence.", low=0)
    epsilon: float = setting(
        1.0, "L2 norm of the perturbation of each example; 5 in the source for texts.", low=0
    )
    xi: float = setting(0.1, "Distance ξ at which the direction is computed.", low=1e-6)
    k: int = setting(1, "Power iterations K.", low=1)
    text_input: str = setting(
        NORMALISED,
        "For text, attack the tokens' vectors, or these normalised (Miyato et al.).",
        choices=(TOKENS, NORMALISED),
    )

    @property
    @override
    def needs_distribution(self) -> bool:
        return True

    @property
    @override
    def passes(self) -> int:
        """K + 2."""
        return self.k + 2


@register
class VAT(Method[VATSettings]):
    """L(f(x), y) + α KL(f(x) ‖ f(x + ε d)), f(x) taken as constant in the divergence.

    d begins at random and becomes g / ‖g‖ in each of K iterations, for g = ∇ KL(f(x) ‖ f(x + ξ d)): by the
    power method the direction in which the divergence grows fastest. It uses labels only to find padding.
    Every batch needs labels: there is no semi-supervised form here.
    """

    name = "vat"
    summary = "Clean loss, and the divergence of predictions along their most sensitive direction."
    equation = (
        "∇[L(f(x), y) + α KL(f(x) ‖ f(x + εd))], f(x) constant in the KL, α = kl_weight; "
        "d ← g/‖g‖ K times, g = ∇KL(f(x) ‖ f(x + ξd)), from a random d"
    )
    source = "Miyato et al. 2018, equations 5 to 12; on texts Miyato et al. 2017."
    cost = "K + 2"
    settings_type = VATSettings

    @classmethod
    @override
    def canonical(cls, settings: VATSettings, words: bool) -> tuple[str, Settings]:
        """With α = 0 the attack does not count; with ε = 0 its direction does not."""
        if settings.kl_weight == 0:
            return Standard.canonical(StandardSettings(), words)
        if settings.epsilon == 0:
            return cls.name, settings.without("xi", "text_input")
        return cls.name, settings if words else settings.without("text_input")

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        settings, shares = self.settings, []
        target = find_input(model, self.task, batch[0], settings.text_input == NORMALISED)
        with ExitStack() as stack:
            stack.enter_context(attached([target]))
            loss, outputs = self.forward_backward(model, *batch)
            clean = log_probabilities(outputs, batch, self.task)
            stack.enter_context(frozen_batch_statistics(model))
            direction, _ = _unit(target.kept(noise_like(target.value, self.task.generator)))
            for _ in range(settings.k):
                target.shift(direction * settings.xi)
                direction, share = _unit(divergence_gradient(self, model, batch, clean, target))
                shares.append(share)
            target.shift(direction * settings.epsilon)
            _, attacked = self.forward(model, *batch)
            raised = divergence(clean, log_probabilities(attacked, batch, self.task), batch)
            self.propagate(settings.kl_weight * raised)
        return StepResult(loss, outputs, {"skipped": torch.stack(shares).mean()})


def _unit(direction: Tensor) -> tuple[Tensor, Tensor]:
    """The direction scaled to norm 1 for each example, and the share of examples without a direction."""
    return scaled(direction, 1.0, norm(direction, "row"))
