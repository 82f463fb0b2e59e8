"""Attacks on the input, in one step or several: FGSM, FGM and PGD-K.

For images they perturb the pixels, each image by itself; for text the rows of the embedding matrix, all
together, as the widely used code for FGM and PGD on texts does.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method, StepResult
from dropattack.methods.dropattack import DropAttack
from dropattack.methods.dropattack_settings import DropAttackSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import granularity, norm, projected, scaled, sign_step
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.targets.names import find_targets
from dropattack.targets.spelling import INPUT
from dropattack.targets.target import Target, attached
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class InputAttackSettings(AttackSettings):
    """What all input attacks share."""

    clean: bool = setting(True, "Train on the clean batch too, and not on the attacked one alone.")
    clamp: bool = setting(False, "Keep attacked pixels in [0, 1]; for images that are not normalised.")

    @property
    def attack(self) -> dict[str, Any]:
        """What all methods with attacks share; see `AttackSettings`."""
        return super().shared

    @property
    @override
    def shared(self) -> dict[str, Any]:
        return {**self.attack, "clean": self.clean, "clamp": self.clamp}

    @property
    @override
    def needs_pixels(self) -> bool:
        return self.clamp

    @property
    def steps(self) -> int:
        """Ascent steps."""
        return 1

    @property
    @override
    def passes(self) -> int:
        """One pass before each ascent step, and one after the last."""
        return self.steps + 1


@dataclass(frozen=True, kw_only=True)
class FGSMSettings(InputAttackSettings):
    """Hyperparameters of FGSM."""

    epsilon: float = setting(
        8 / 255, "Change of each pixel; try 2/255 to 16/255, and for embeddings 1e-3 to 1e-1.", low=0
    )


@dataclass(frozen=True, kw_only=True)
class FGMSettings(InputAttackSettings):
    """Hyperparameters of FGM."""

    epsilon: float = setting(1.0, "L2 norm of the perturbation; try .5, 1 and 5.", low=0)


@dataclass(frozen=True, kw_only=True)
class PGDSettings(InputAttackSettings):
    """Hyperparameters of PGD."""

    epsilon: float = setting(1.0, "Radius of the ball around the input.", low=0)
    alpha: float = setting(0.3, "Size of one ascent step.", low=0)
    k: int = setting(3, "Ascent steps K.", low=1)
    norm: str = setting(
        "l2", "Ball and step: L2, or L∞ with the gradient's sign (Madry et al.).", choices=("l2", "linf")
    )

    @property
    @override
    def steps(self) -> int:
        return self.k


S = TypeVar("S", bound=InputAttackSettings)


class InputAttack(Method[S]):
    """Trains on the clean batch and on the attacked one; only the last attacked pass gives a gradient.

    The passes between compute the gradient of the input alone.
    """

    @abstractmethod
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The next perturbation, before clamping, and the share left out; the first starts from ``None``."""

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        inputs, labels = batch
        settings = self.settings
        targets = find_targets(model, [INPUT], self.task)
        (target,) = targets
        with attached(targets):
            loss, outputs, (gradient,) = self.gradients(
                model, inputs, labels, targets, weight=1.0 if settings.clean else 0.0
            )
            perturbation, shares = None, []
            with frozen_batch_statistics(model):
                for remaining in reversed(range(settings.steps)):
                    if gradient is None:
                        raise target.unused()
                    perturbation, share = self.ascend(target, perturbation, gradient)
                    shares.append(share)
                    if settings.clamp:
                        perturbation = (target.value + perturbation).clamp_(0, 1).sub_(target.value)
                    target.shift(perturbation)
                    if remaining:
                        _, _, (gradient,) = self.gradients(model, inputs, labels, targets)
                self.forward_backward(model, inputs, labels)
        log = {"skipped": torch.stack(shares).mean()}
        return StepResult(loss, outputs, log)


@register
class FGSM(InputAttack[FGSMSettings]):
    """x + ε sign(∇ₓL)."""

    name = "fgsm"
    summary = "One step along the sign of the input's gradient."
    source = "Goodfellow et al. 2015; a row of DropAttack's Table 2."
    cost = "2"
    settings_type = FGSMSettings

    @classmethod
    @override
    def canonical(cls, settings: FGSMSettings, words: bool) -> tuple[str, Settings]:
        """An ε of 0 is that of every other attack."""
        if settings.epsilon == 0:
            still = FGMSettings(**settings.shared, epsilon=0.0)
            return FGM.canonical(still, words)
        return cls.name, settings

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return sign_step(gradient, self.settings.epsilon)


@register
class FGM(InputAttack[FGMSettings]):
    """x + ε ∇ₓL / ‖∇ₓL‖₂."""

    name = "fgm"
    summary = "One step along the input's gradient, of given L2 norm."
    source = "Miyato et al. 2017; a row of DropAttack's Table 2."
    cost = "2"
    settings_type = FGMSettings

    @classmethod
    @override
    def canonical(cls, settings: FGMSettings, words: bool) -> tuple[str, Settings]:
        """DropAttack of the input alone, with p = 1 and a norm for each example."""
        if settings.clamp:
            return cls.name, settings
        return DropAttack.canonical(
            DropAttackSettings(
                epsilon=settings.epsilon,
                p=1.0,
                norm="sample",
                clean_weight=float(settings.clean),
                **settings.attack,
            ),
            words,
        )

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        by = granularity("sample", target.batched, gradient)
        return scaled(gradient, self.settings.epsilon, norm(gradient, by))


@register
class PGD(InputAttack[PGDSettings]):
    """K steps of size α, each followed by projection to the ball of radius ε around the input."""

    name = "pgd"
    summary = "K projected ascent steps on the input."
    source = "Madry et al. 2018; a row of DropAttack's Table 2."
    cost = "K + 1"
    settings_type = PGDSettings

    @classmethod
    @override
    def canonical(cls, settings: PGDSettings, words: bool) -> tuple[str, Settings]:
        """A single step ends on the smaller of α and ε; with no room to move, size and ball do not count."""
        size = min(settings.alpha, settings.epsilon)
        if settings.k == 1 and settings.norm == "linf":
            shared = FGSMSettings(**settings.shared, epsilon=size)
            return FGSM.canonical(shared, words)
        if settings.k == 1:
            shared_l2 = FGMSettings(**settings.shared, epsilon=size)
            return FGM.canonical(shared_l2, words)
        if size == 0:
            return cls.name, replace(settings.without("alpha", "norm"), epsilon=0.0)
        return cls.name, settings

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return projected_step(
            target, perturbation, gradient, self.settings.alpha, self.settings.epsilon, self.settings.norm
        )


def projected_step(
    target: Target, perturbation: Tensor | None, gradient: Tensor, size: float, radius: float, ball: str
) -> tuple[Tensor, Tensor]:
    """One step of size ``size`` from a perturbation, back into the ball ``l2`` or ``linf`` of that radius."""
    by = granularity("sample", target.batched, gradient)
    if ball == "linf":
        step, share = sign_step(gradient, size)
    else:
        step, share = scaled(gradient, size, norm(gradient, by))
    if perturbation is not None:
        step.add_(perturbation)
    return projected(step, radius, "element" if ball == "linf" else by), share
