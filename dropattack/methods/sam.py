"""Sharpness-aware relatives, which attack all weights at once: SAM, ASAM, ESAM's perturbation, AWP.

They train on the attacked pass alone. Of an embedding matrix only the rows in the batch are touched: the
others have no gradient, so the rule leaves them where they are.
"""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.method import Method, StepResult
from dropattack.methods.input_attacks import projected_step
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import draw_mask, joint_norm, norm, scaled
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.targets.names import find_input, trainable_targets
from dropattack.targets.target import Target, attached
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class SAMSettings(Settings):
    """Hyperparameters of SAM."""

    rho: float = setting(0.05, "L2 norm ρ of the perturbation of all weights together.", low=0)

    @property
    @override
    def passes(self) -> int:
        """2."""
        return 2


@dataclass(frozen=True, kw_only=True)
class ASAMSettings(SAMSettings):
    """Hyperparameters of ASAM."""

    rho: float = setting(0.5, "Size ρ of the perturbation, relative to the weights.", low=0)
    eta: float = setting(0.01, "Added to each |w|, so that small weights are perturbed too.", low=0)


@dataclass(frozen=True, kw_only=True)
class ESAMSettings(SAMSettings):
    """Hyperparameters of stochastic weight perturbation."""

    beta: float = setting(0.6, "Probability β of a weight being perturbed.", low=0.01, high=1)


S = TypeVar("S", bound=SAMSettings)


class SharpnessAware(Method[S]):
    """The gradient at the perturbed weights, applied to the weights themselves."""

    cost = "2"

    @abstractmethod
    def perturb(self, targets: Sequence[Target], gradients: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """One perturbation for each target, and the share left out."""

    @override
    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        inputs, labels = batch
        optimizer.zero_grad(set_to_none=True)
        every = trainable_targets(model)
        with attached(every):
            loss, outputs, found = self.gradients(model, inputs, labels, every)
            used = [(target, g) for target, g in zip(every, found, strict=True) if g is not None]
            del found
            targets, gradients = [target for target, _ in used], [g for _, g in used]
            perturbations, share = self.perturb(targets, gradients)
            for target, perturbation in zip(targets, perturbations, strict=True):
                target.shift(perturbation)
            del used, gradients, perturbations
            with frozen_batch_statistics(model):
                self.forward_backward(model, inputs, labels)
        return StepResult(loss, outputs, {"skipped": share, "skipped_updates": self.update(optimizer)})


@register
class SAM(SharpnessAware[SAMSettings]):
    """w + ρ g / ‖g‖, one norm over all weights."""

    name = "sam"
    summary = "Sharpness-aware minimisation."
    source = "Foret et al. 2021, equation 2 and Algorithm 1."
    settings_type = SAMSettings

    @override
    def perturb(self, targets: Sequence[Target], gradients: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        return _jointly_scaled(gradients, self.settings.rho)


@register
class ASAM(SharpnessAware[ASAMSettings]):
    """w + ρ T² g / ‖T g‖ with T = |w| + η for every parameter.

    The authors' code takes T = 1 for parameters whose name does not hold "weight"; their equation does not.
    """

    name = "asam"
    summary = "SAM with perturbations in proportion to each weight."
    source = "Kwon et al. 2021, Algorithm 1."
    settings_type = ASAMSettings

    @override
    def perturb(self, targets: Sequence[Target], gradients: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        scales = [target.value.abs().add_(self.settings.eta) for target in targets]
        perturbations, share = _jointly_scaled(torch._foreach_mul(list(gradients), scales), self.settings.rho)
        torch._foreach_mul_(perturbations, scales)
        return perturbations, share


@register
class ESAM(SharpnessAware[ESAMSettings]):
    """SAM's perturbation, masked with probability 1 − β and divided by β: DropAttack's mask inside SAM.

    This is the stochastic weight perturbation of ESAM without its selection of examples.
    """

    name = "esam-swp"
    summary = "SAM with a random mask over the weights."
    source = "Du et al. 2022, stochastic weight perturbation."
    settings_type = ESAMSettings

    @override
    def perturb(self, targets: Sequence[Target], gradients: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        beta = self.settings.beta
        perturbations, share = _jointly_scaled(gradients, self.settings.rho / beta)
        for perturbation in perturbations:
            perturbation.mul_(draw_mask(perturbation, beta, "element", self.task.generator))
        return perturbations, share


def _jointly_scaled(directions: Sequence[Tensor], size: float) -> tuple[list[Tensor], Tensor]:
    length = joint_norm(directions)
    results = [scaled(direction, size, length) for direction in directions]
    return [perturbation for perturbation, _ in results], results[0][1]


@dataclass(frozen=True, kw_only=True)
class AWPSettings(Settings):
    """Hyperparameters of AWP."""

    gamma: float = setting(0.01, "Size γ of each weight's perturbation, relative to its norm.", low=0)
    epsilon: float = setting(8 / 255, "Largest change of an input's element.", low=0)
    alpha: float = setting(2 / 255, "Size of an ascent step on the input.", low=0)
    k: int = setting(3, "Ascent steps K on the input; 0 attacks weights alone.", low=0)

    @property
    @override
    def passes(self) -> int:
        """K + 2."""
        return self.k + 2


@register
class AWP(Method[AWPSettings]):
    """Adversarial inputs, then on top of them v = γ ‖w‖ g / ‖g‖ for each weight of two dimensions or more.

    The inputs are attacked by K L∞ steps without a random start: pixels, or for text the vectors of tokens.
    The one-step proxy of the source is this v: its learning rate falls out of the normalisation.
    """

    name = "awp"
    summary = "Adversarial weight perturbation on top of adversarial inputs."
    source = "Wu et al. 2020, Algorithm 1."
    cost = "K + 2"
    settings_type = AWPSettings

    @override
    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        settings = self.settings
        inputs, labels = batch
        optimizer.zero_grad(set_to_none=True)
        weights: list[Target] = [t for t in trainable_targets(model) if t.parameter.dim() > 1]
        inner: list[Target] = [find_input(model, self.task)] if settings.k else []
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
                    shift, share = scaled(gradient, settings.gamma * norm(target.value), norm(gradient))
                    target.shift(shift)
                    shares.append(share)
            self.forward_backward(model, inputs, labels)
        log = {"skipped": torch.stack(shares).mean(), "skipped_updates": self.update(optimizer)}
        return StepResult(loss, outputs, log)
