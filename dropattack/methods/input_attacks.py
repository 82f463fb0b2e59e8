"""Attacks on the input: what they share, and the two of one step, FGSM and FGM.

Of images they perturb the pixels, each image alone. Of texts they perturb the rows of the embedding matrix
together, as the widely used code for FGM and PGD on texts does, or the vectors of tokens, as Miyato et al.
do; see `InputAttackSettings`.

They begin at the clean input, and train on the clean batch beside the attacked one, as that code, Goodfellow
et al. and Miyato et al. do. Madry et al. begin at a random point, and train on the attacked batch alone; see
`methods.pgd`.
"""

from abc import abstractmethod
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method
from dropattack.methods.balls import lengths
from dropattack.methods.dropattack import DropAttack
from dropattack.methods.dropattack_settings import DropAttackSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import Granularity, granularity, scaled, sign_step
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.activations import TokenTarget
from dropattack.targets.names import find_targets
from dropattack.targets.spelling import INPUT
from dropattack.targets.target import Target, attached
from dropattack.task import Batch

MATRIX, TOKENS, NORMALISED = "matrix", "tokens", "normalised"
SENTENCE, TOKEN = "sentence", "token"


@dataclass(frozen=True, kw_only=True)
class InputAttackSettings(AttackSettings):
    """What all input attacks share.

    Attributes:
        text_input: For text, ``input`` is the rows of the embedding ``matrix`` that the batch looks up, all
            together; the vectors of its ``tokens``, each text alone; or these vectors ``normalised``, so that
            ε is in units of the words' standard deviations (Miyato et al. 2017; see `NormalisedTokenTarget`).
            It has no effect on images.
    """

    clean: bool = setting(True, "Train on the clean batch too, and not on the attacked one alone.")
    clamp: bool = setting(False, "Keep attacked pixels in [0, 1]; for images that are not normalised.")
    text_input: str = setting(
        MATRIX,
        "For text, attack the embedding matrix, the tokens' vectors, or these normalised (Miyato et al.).",
        choices=(MATRIX, TOKENS, NORMALISED),
    )

    @property
    def attack(self) -> dict[str, Any]:
        """The settings that all attacking methods share; see `AttackSettings`."""
        return super().shared

    @property
    @override
    def shared(self) -> dict[str, Any]:
        return {**self.attack, "clean": self.clean, "clamp": self.clamp, "text_input": self.text_input}

    @property
    @override
    def adds_gradients(self) -> bool:
        return self.clean

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

    @property
    @override
    def pixel_change(self) -> float:
        return self.epsilon


@dataclass(frozen=True, kw_only=True)
class NormedAttackSettings(InputAttackSettings):
    """What attacks of an L2 norm share."""

    norm_over: str = setting(
        SENTENCE,
        "For vectors of tokens, one L2 norm for all of a sentence, or one for each token.",
        choices=(SENTENCE, TOKEN),
    )

    def scope(self, target: Target, value: Tensor) -> Granularity:
        """The scope of norms; see `granularity`."""
        if self.norm_over == TOKEN and self.text_input != MATRIX and isinstance(target, TokenTarget):
            return "last"
        return granularity("sample", target.batched, value)

    def spelt(self, words: bool, still: bool) -> Self:
        """These settings with those of text at their defaults where they have no effect.

        Args:
            words: See `Method.canonical`.
            still: Whether nothing moves.
        """
        if not words or still:
            return self.without("text_input", "norm_over")
        return self.without("norm_over") if self.text_input == MATRIX else self


@dataclass(frozen=True, kw_only=True)
class FGMSettings(NormedAttackSettings):
    """Hyperparameters of FGM."""

    epsilon: float = setting(1.0, "L2 norm of the perturbation; try .5, 1 and 5.", low=0)


S = TypeVar("S", bound=InputAttackSettings)


class InputAttack(Method[S]):
    """Trains on the attacked batch, and on the clean one unless ``clean`` is false.

    Only the clean pass and the last attacked one add to the gradient; the passes between compute the gradient
    of the input alone. Without a clean pass, loss and outputs are those of the first pass at the random
    start.
    """

    def begin(self, target: Target, value: Tensor) -> Tensor:
        """The perturbation that an attack from a random point begins with, before clamping."""
        return torch.zeros_like(value)

    @abstractmethod
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The next perturbation, before clamping, and the share left out; the first starts from ``None``."""

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        inputs, labels = batch
        settings = self.settings
        text = settings.text_input
        targets = find_targets(model, [INPUT], self.task, text != MATRIX, inputs, text == NORMALISED)
        (target,) = targets
        first: list[tuple[Tensor, Any]] = []
        begun: list[Tensor] = []
        shares: list[Tensor] = []

        def begin(value: Tensor) -> Tensor:
            begun.append(self._in_range(value, self.begin(target, value)))
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
        """The perturbation, cut so that pixels stay in [0, 1] where ``clamp`` is set."""
        return (value + perturbation).clamp_(0, 1).sub_(value) if self.settings.clamp else perturbation


@register
class FGSM(InputAttack[FGSMSettings]):
    """x + ε sign(∇ₓL)."""

    name = "fgsm"
    summary = "One step along the sign of the input's gradient."
    equation = "∇L(x) + ∇L(x + ε sign(∇ₓL(x)))"
    source = "Goodfellow et al. 2015; a row of DropAttack's Table 2."
    cost = "2"
    settings_type = FGSMSettings

    @classmethod
    @override
    def canonical(cls, settings: FGSMSettings, words: bool) -> tuple[str, Settings]:
        """With ε = 0 it is FGM with ε = 0; ``text_input`` counts for text alone."""
        if not words:
            settings = settings.without("text_input")
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
    equation = "∇L(x) + ∇L(x + ε g/‖g‖₂), g = ∇ₓL(x)"
    source = "Miyato et al. 2017; a row of DropAttack's Table 2."
    cost = "2"
    settings_type = FGMSettings

    @classmethod
    @override
    def canonical(cls, settings: FGMSettings, words: bool) -> tuple[str, Settings]:
        """DropAttack of the input alone, with p = 1 and a norm for each example."""
        settings = settings.spelt(words, still=settings.epsilon == 0)
        if settings.clamp or settings.text_input == NORMALISED or settings.norm_over == TOKEN:
            return cls.name, settings
        return DropAttack.canonical(
            DropAttackSettings(
                epsilon=settings.epsilon,
                p=1.0,
                norm="sample",
                clean_weight=float(settings.clean),
                text_input=settings.text_input,
                **settings.attack,
            ),
            words,
        )

    @override
    def ascend(self, target: Target, perturbation: Tensor | None, gradient: Tensor) -> tuple[Tensor, Tensor]:
        by = self.settings.scope(target, gradient)
        return scaled(gradient, self.settings.epsilon, lengths(target, gradient, by))
