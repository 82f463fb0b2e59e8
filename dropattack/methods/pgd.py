"""PGD-K: projected ascent on the input, from the input itself or from a random point.

It begins at the clean input and trains on the clean batch beside the attacked one, as code for texts does.
Madry et al. begin at a random point of the ball, and train on the attacked batch alone: ``preset: madry``.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from dropattack.methods.balls import projected_step, random_point
from dropattack.methods.input_attacks import (
    FGM,
    FGSM,
    FGMSettings,
    FGSMSettings,
    InputAttack,
    NormedAttackSettings,
)
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.targets.activations import TokenTarget
from dropattack.targets.target import Target


@dataclass(frozen=True, kw_only=True)
class PGDSettings(NormedAttackSettings):
    """Hyperparameters of PGD.

    The defaults are those of the code for texts; ``preset: madry`` is that of Madry et al. for images.
    """

    presets: ClassVar = {
        "madry": {
            "norm": "linf",
            "epsilon": 8 / 255,
            "alpha": 2 / 255,
            "k": 7,
            "random_start": True,
            "clean": False,
        }
    }

    epsilon: float = setting(1.0, "Radius of the ball around the input.", low=0)
    alpha: float = setting(0.3, "Size of one ascent step.", low=0)
    k: int = setting(3, "Ascent steps K.", low=1)
    norm: str = setting(
        "l2", "Ball and step: L2, or L∞ with the gradient's sign (Madry et al.).", choices=("l2", "linf")
    )
    random_start: bool = setting(
        False, "Begin at a uniform random point of the ball (Madry et al.), not at the input."
    )

    @property
    @override
    def steps(self) -> int:
        return self.k

    @property
    @override
    def pixel_change(self) -> float:
        return self.epsilon if self.norm == "linf" else 0.0

    @property
    @override
    def noisy(self) -> bool:
        return self.random_start


@register
class PGD(InputAttack[PGDSettings]):
    """K steps of size α, each followed by projection to the ball of radius ε around the input.

    A random start is uniform in the volume of the ball: of each image, or of all rows of an embedding matrix
    together. Without a clean pass, the rows that each lookup of the first pass adds have a ball of their own,
    until the first step projects them into one.
    """

    name = "pgd"
    summary = "K projected ascent steps on the input, beside the clean batch."
    equation = "∇L(x) + ∇L(x + δ_K); δ_{k+1} = Π_ε(δ_k + α g/‖g‖₂), or α sign(g) in L∞, g = ∇ₓL(x + δ_k)"
    source = "Madry et al. 2018; a row of DropAttack's Table 2."
    cost = "K + 1; K + 2 from a random start beside the clean batch"
    settings_type = PGDSettings

    @classmethod
    @override
    def canonical(cls, settings: PGDSettings, words: bool) -> tuple[str, Settings]:
        """A single step ends on the smaller of α and ε; with no room to move, size and ball do not count.

        From a random start both count. With no room to move, that start is one more pass at the input, if
        ``clean`` is true.
        """
        size = min(settings.alpha, settings.epsilon)
        still = size == 0 and not (settings.random_start and settings.epsilon > 0)
        settings = settings.spelt(words, still)
        if settings.norm == "linf":
            settings = settings.without("norm_over")
        if settings.random_start:
            if settings.epsilon > 0:
                return cls.name, settings
            begun = replace(settings, random_start=False, k=settings.k + settings.clean)
            return cls.canonical(begun, words)
        if settings.k == 1 and settings.norm == "linf":
            return FGSM.canonical(FGSMSettings(**settings.shared, epsilon=size), words)
        if settings.k == 1:
            one = FGMSettings(**settings.shared, epsilon=size, norm_over=settings.norm_over)
            return FGM.canonical(one, words)
        if still:
            return cls.name, replace(settings.without("alpha", "norm"), epsilon=0.0)
        return cls.name, settings

    @override
    def begin(self, target: Target, value: Tensor) -> Tensor:
        settings, generator = self.settings, self.task.generator
        if settings.epsilon == 0:
            return super().begin(target, value)
        if settings.norm == "linf":
            return random_point(value, settings.epsilon, "element", generator)
        padded = isinstance(target, TokenTarget) and target.words is not None
        kept = target.kept if padded else None
        return random_point(value, settings.epsilon, settings.scope(target, value), generator, kept)

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        settings = self.settings
        by = settings.scope(target, gradient)
        return projected_step(
            target, perturbation, gradient, settings.alpha, settings.epsilon, settings.norm, by
        )
