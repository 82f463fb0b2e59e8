"""Attacks on the input, in one step or several: FGSM, FGM and PGD-K.

For images they perturb the pixels, each image by itself; for text the rows of the embedding matrix, all
together, as the widely used code for FGM and PGD on texts does.

They begin at the clean input, and train on the clean batch beside the attacked one, as that code does and as
Goodfellow et al. and Miyato et al. do. Madry et al. begin at a random point, and train on the attacked batch
alone: see `PGDSettings`. FGSM from a random start (Wong et al. 2020) is that with one step.
"""

from abc import abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method
from dropattack.methods.balls import projected_step, random_point
from dropattack.methods.dropattack import DropAttack
from dropattack.methods.dropattack_settings import DropAttackSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import granularity, norm, scaled, sign_step
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.names import find_targets, words_are_input
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
    def noisy(self) -> bool:
        """Whether the ascent begins at a random point."""
        return False

    @property
    @override
    def passes(self) -> int:
        """One before each ascent step, one after the last, and a clean one where no ascent begins there."""
        return self.steps + 1 + (self.noisy and self.clean)


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
    """Hyperparameters of PGD.

    The defaults are those of the code for texts; Madry et al. have ``norm: linf``, ``random_start: true`` and
    ``clean: false``.
    """

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
    def noisy(self) -> bool:
        return self.random_start


S = TypeVar("S", bound=InputAttackSettings)


class InputAttack(Method[S]):
    """Trains on the clean batch, unless told otherwise, and on the attacked one.

    Only the clean pass and the last attacked one give a gradient; the passes between compute the gradient of
    the input alone. Without a clean pass, loss and outputs are those of the first pass at the random start.
    """

    def begin(self, value: Tensor) -> Tensor:
        """The perturbation that an attack from a random point begins with, before clamping."""
        return torch.zeros_like(value)

    @abstractmethod
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The next perturbation, before clamping, and the share left out; the first starts from ``None``."""

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        inputs, labels = batch
        settings = self.settings
        targets = find_targets(model, [INPUT], self.task, inputs=inputs)
        (target,) = targets
        first: list[tuple[Tensor, Any]] = []
        begun: list[Tensor] = []
        shares: list[Tensor] = []

        def begin(value: Tensor) -> Tensor:
            begun.append(self._in_range(value, self.begin(value)))
            return begun[-1]

        with attached(targets), ExitStack() as stack:
            weight = float(settings.clean)
            if settings.noisy and settings.clean:
                first.append(self.forward_backward(model, inputs, labels))
                stack.enter_context(frozen_batch_statistics(model))
                weight = 0.0
            if settings.noisy:
                target.shift(begin(target.value) if settings.clean else begin)
            loss, outputs, (gradient,) = self.gradients(model, inputs, labels, targets, weight)
            first.append((loss, outputs))
            stack.enter_context(frozen_batch_statistics(model))
            perturbation = torch.cat(begun) if begun else None
            for remaining in reversed(range(settings.steps)):
                if gradient is None:
                    raise target.unused()
                perturbation, share = self.ascend(target, perturbation, gradient)
                shares.append(share)
                perturbation = self._in_range(target.value, perturbation)
                target.shift(perturbation)
                if remaining:
                    _, _, (gradient,) = self.gradients(model, inputs, labels, targets)
            self.forward_backward(model, inputs, labels)
        return StepResult(*first[0], {"skipped": torch.stack(shares).mean()})

    def _in_range(self, value: Tensor, perturbation: Tensor) -> Tensor:
        """The perturbation that keeps pixels in [0, 1], where asked for."""
        return (value + perturbation).clamp_(0, 1).sub_(value) if self.settings.clamp else perturbation


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
    """K steps of size α, each followed by projection to the ball of radius ε around the input.

    A random start is uniform in the volume of the ball: of each image, or of all rows of an embedding matrix
    together. Without a clean pass, the rows that each lookup of the first pass adds have a ball of their own,
    until the first step projects them into one.
    """

    name = "pgd"
    summary = "K projected ascent steps on the input, beside the clean batch."
    source = "Madry et al. 2018; a row of DropAttack's Table 2."
    cost = "K + 1; K + 2 from a random start beside the clean batch"
    settings_type = PGDSettings

    @classmethod
    @override
    def canonical(cls, settings: PGDSettings, words: bool) -> tuple[str, Settings]:
        """A single step ends on the smaller of α and ε; with no room to move, size and ball do not count.

        From a random start both count; without room that is one more pass at the input, beside a clean one.
        """
        if settings.random_start:
            if settings.epsilon > 0:
                return cls.name, settings
            still = replace(settings, random_start=False, k=settings.k + settings.clean)
            return cls.canonical(still, words)
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
    def begin(self, value: Tensor) -> Tensor:
        if self.settings.epsilon == 0:
            return super().begin(value)
        by = granularity("sample", not words_are_input(self.task), value)
        epsilon, ball, generator = self.settings.epsilon, self.settings.norm, self.task.generator
        return random_point(value, epsilon, "element" if ball == "linf" else by, generator)

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return projected_step(
            target, perturbation, gradient, self.settings.alpha, self.settings.epsilon, self.settings.norm
        )
