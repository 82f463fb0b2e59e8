"""Sharpness-aware minimisation: the gradient at w + ρ g / ‖g‖, applied at w. SAM, ASAM, and ESAM's mask.

With ``targets: norms`` SAM and ASAM are SAM-ON (Mueller et al. 2023): the normalisation layers alone are
perturbed, and all weights are trained.

Of an embedding matrix the rule moves only the rows in the batch, since the others have no gradient.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import draw_mask, scaled_together
from dropattack.registry import register
from dropattack.settings import EPS_ZERO, Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.spelling import canonical_targets
from dropattack.targets.target import Target, attached
from dropattack.targets.weights import ALL, weight_targets
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class SAMSettings(AttackSettings):
    """Hyperparameters of SAM.

    Attributes:
        targets: Perturbed weights; one norm is taken over all of them.
    """

    rho: float = setting(0.05, "L2 norm ρ of the perturbation of all weights together.", low=0)
    targets: str = setting(
        ALL, "Perturbed weights: all; norms, those of normalisation layers (SAM-ON); or names."
    )

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "targets", canonical_targets(self.targets))

    @property
    @override
    def target_sets(self) -> dict[str, str]:
        return {} if self.targets == ALL else {"targets": self.targets}

    @property
    @override
    def control_experiment(self) -> str:
        """``eps-zero`` with a ρ of 0."""
        return EPS_ZERO if self.rho == 0 else ""

    @property
    @override
    def passes(self) -> int:
        """2."""
        return 2


S = TypeVar("S", bound=SAMSettings)


class SharpnessAware(Method[S]):
    """The gradient at perturbed weights, applied to the weights themselves."""

    cost = "2"

    @classmethod
    @override
    def canonical(cls, settings: S, words: bool) -> tuple[str, Settings]:
        """With ρ = 0, SAM, ASAM and ESAM compute the same: the gradient of a second pass at w."""
        if settings.rho == 0:
            return SAM.name, SAMSettings(rho=0.0, **settings.shared)
        return cls.name, settings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        inputs, labels = batch
        chosen = weight_targets(model, self.settings.targets, self.task)
        with attached(chosen):
            loss, outputs, found = self.gradients(model, inputs, labels, chosen)
            weights = [w for w, g in zip(chosen, found, strict=True) if g is not None]
            if not weights:
                raise chosen[0].unused()
            perturbations, share = self.perturb(weights, [g for g in found if g is not None])
            del found  # a copy of every weight that the second pass has room for
            for weight, perturbation in zip(weights, perturbations, strict=True):
                weight.shift(perturbation)
            del perturbations
            with frozen_batch_statistics(model):
                self.forward_backward(model, inputs, labels)
        return StepResult(loss, outputs, {"skipped": share})

    @abstractmethod
    def perturb(self, weights: Sequence[Target], gradients: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """One perturbation for each weight, and the share left out, 0-dimensional in [0, 1]."""


@register
class SAM(SharpnessAware[SAMSettings]):
    """w + ρ g / ‖g‖, one norm over all weights."""

    name = "sam"
    summary = "Sharpness-aware minimisation."
    equation = "∇L(w + ρ g/‖g‖), g = ∇L(w)"
    source = "Foret et al. 2021, equation 2 and Algorithm 1."
    settings_type = SAMSettings

    @override
    def perturb(self, weights: Sequence[Target], gradients: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """ρ g / ‖g‖."""
        return scaled_together(gradients, self.settings.rho)


@dataclass(frozen=True, kw_only=True)
class ASAMSettings(SAMSettings):
    """Hyperparameters of ASAM."""

    rho: float = setting(0.5, "Size ρ of the perturbation, relative to the weights.", low=0)
    eta: float = setting(0.01, "Added to each |w|, so that small weights are perturbed too.", low=0)


@register
class ASAM(SharpnessAware[ASAMSettings]):
    """w + ρ T² g / ‖T g‖ with T = |w| + η for every parameter.

    The authors' code takes T = 1 for parameters whose name does not hold "weight"; their equation does not.
    """

    name = "asam"
    summary = "SAM with perturbations in proportion to each weight."
    equation = "∇L(w + ρ T²g/‖Tg‖), T = |w| + η, g = ∇L(w)"
    source = "Kwon et al. 2021, Algorithm 1."
    settings_type = ASAMSettings

    @override
    def perturb(self, weights: Sequence[Target], gradients: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """ρ T² g / ‖T g‖."""
        scales = [weight.value.abs().add_(self.settings.eta) for weight in weights]
        perturbations, share = scaled_together(torch._foreach_mul(gradients, scales), self.settings.rho)
        torch._foreach_mul_(perturbations, scales)
        return perturbations, share


@dataclass(frozen=True, kw_only=True)
class ESAMSettings(SAMSettings):
    """Hyperparameters of stochastic weight perturbation."""

    beta: float = setting(0.6, "Probability β of a weight being perturbed.", low=0.01, high=1)


@register
class ESAM(SharpnessAware[ESAMSettings]):
    """SAM's perturbation, masked with probability 1 − β and divided by β: DropAttack's mask inside SAM.

    This is the stochastic weight perturbation of ESAM without its selection of examples.
    """

    name = "esam-swp"
    summary = "SAM with a random mask over the weights."
    equation = "∇L(w + M ∘ ρ g/(β‖g‖)); M ~ Bernoulli(β), g = ∇L(w)"
    source = "Du et al. 2022, stochastic weight perturbation."
    settings_type = ESAMSettings

    @classmethod
    @override
    def canonical(cls, settings: ESAMSettings, words: bool) -> tuple[str, Settings]:
        """With β = 1 the mask is all ones, and the method is SAM."""
        if settings.beta == 1:
            plain = SAMSettings(rho=settings.rho, targets=settings.targets, **settings.shared)
            return SAM.canonical(plain, words)
        return super().canonical(settings, words)

    @override
    def perturb(self, weights: Sequence[Target], gradients: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """M∘(ρ/β) g / ‖g‖ with M ~ Bernoulli(β)."""
        beta = self.settings.beta
        perturbations, share = scaled_together(gradients, self.settings.rho / beta)
        for perturbation in perturbations:
            perturbation.mul_(draw_mask(perturbation, beta, "element", self.task.generator))
        return perturbations, share
