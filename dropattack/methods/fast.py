"""Fast adversarial training: one sign step from a random point, at two passes. FGSM-RS and N-FGSM."""

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor
from typing_extensions import override

from dropattack.methods.balls import random_point
from dropattack.methods.input_attacks import (
    FGSM,
    FGSMSettings,
    InputAttack,
    InputAttackSettings,
)
from dropattack.methods.pgd import PGD, PGDSettings
from dropattack.perturbation import projected, sign_step
from dropattack.registry import register
from dropattack.settings import Settings, decimal_product, setting
from dropattack.targets.target import Target


@dataclass(frozen=True, kw_only=True)
class FastSettings(InputAttackSettings):
    """What both share: they train on the attacked batch alone, and measure other sizes in multiples of ε."""

    clean: bool = setting(False, "Train on the clean batch too, at one pass more.")
    epsilon: float = setting(8 / 255, "Size ε of the attack: a change of each pixel.", low=0)

    @property
    @override
    def pixel_change(self) -> float:
        return self.epsilon


@dataclass(frozen=True, kw_only=True)
class FGSMRSSettings(FastSettings):
    """Hyperparameters of FGSM-RS."""

    step: float = setting(1.25, "Step α as a multiple of ε.", low=0)

    @property
    @override
    def noisy(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class NFGSMSettings(FastSettings):
    """Hyperparameters of N-FGSM."""

    step: float = setting(1.0, "Step α as a multiple of ε.", low=0)
    noise: float = setting(2.0, "Half-width k of the noise as a multiple of ε.", low=0)

    @property
    @override
    def noisy(self) -> bool:
        return self.noise > 0


S = TypeVar("S", FGSMRSSettings, NFGSMSettings)


class OneSignStep(InputAttack[S]):
    """x + η + α sign(∇ₓL(x + η)), for noise η."""

    cost = "2; 3 beside the clean batch"

    @property
    def size(self) -> float:
        """α."""
        return decimal_product(self.settings.step, self.settings.epsilon)

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        step, share = sign_step(gradient, self.size)
        return step if perturbation is None else step.add_(perturbation), share


@register
class FGSMRS(OneSignStep[FGSMRSSettings]):
    """η ~ U(−ε, ε)ⁿ, and the whole perturbation clipped to [−ε, ε].

    This is `pgd` with one L∞ step from a random start, and a step size that follows ε.
    """

    name = "fgsm-rs"
    summary = "One sign step from a random start, on the attacked batch alone."
    equation = "∇L(x + Π_ε(ν + α sign(∇ₓL(x + ν)))); ν ~ U(−ε, ε), α = step · ε"
    source = "Wong et al. 2020, Algorithm 3."
    settings_type = FGSMRSSettings

    @classmethod
    @override
    def canonical(cls, settings: FGSMRSSettings, words: bool) -> tuple[str, Settings]:
        """PGD's spelling."""
        alpha = decimal_product(settings.step, settings.epsilon)
        one = PGDSettings(
            epsilon=settings.epsilon, alpha=alpha, k=1, norm="linf", random_start=True, **settings.shared
        )
        return PGD.canonical(one, words)

    @override
    def begin(self, target: Target, value: Tensor) -> Tensor:
        return random_point(value, self.settings.epsilon, "element", self.task.generator)

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        moved, share = super().ascend(target, perturbation, gradient)
        return projected(moved, self.settings.epsilon, "element"), share


@register
class NFGSM(OneSignStep[NFGSMSettings]):
    """η ~ U(−kε, kε)ⁿ, and the perturbation is not clipped."""

    name = "n-fgsm"
    summary = "One sign step from noise beyond ε, without clipping, on the attacked batch alone."
    equation = "∇L(x + ν + α sign(∇ₓL(x + ν))); ν ~ U(−kε, kε), k = noise, α = step · ε"
    source = "de Jorge et al. 2022, Algorithm 1."
    settings_type = NFGSMSettings

    @classmethod
    @override
    def canonical(cls, settings: NFGSMSettings, words: bool) -> tuple[str, Settings]:
        """Without noise it is FGSM; with ε = 0 it is PGD; ``text_input`` is for text alone."""
        if settings.noise == 0:
            alpha = decimal_product(settings.step, settings.epsilon)
            return FGSM.canonical(FGSMSettings(epsilon=alpha, **settings.shared), words)
        if settings.epsilon == 0:
            still = PGDSettings(epsilon=0.0, k=1, norm="linf", random_start=True, **settings.shared)
            return PGD.canonical(still, words)
        return cls.name, settings if words else settings.without("text_input")

    @override
    def begin(self, target: Target, value: Tensor) -> Tensor:
        width = decimal_product(self.settings.noise, self.settings.epsilon)
        return random_point(value, width, "element", self.task.generator)
