"""Dropen's PGD training: it attacks half of each batch by raising the size of the gradient, not the loss."""

from dataclasses import dataclass

import torch
from torch import nn
from typing_extensions import override

from dropattack.attack_settings import ScheduledSettings
from dropattack.batches import size_of
from dropattack.methods.gradient_ascent import GradientAscent, of_each
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.modes import frozen_batch_statistics, twice_differentiable
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.names import find_input
from dropattack.targets.target import attached
from dropattack.task import Batch, Task


@dataclass(frozen=True, kw_only=True)
class DropenPGDSettings(ScheduledSettings):
    """Hyperparameters of Dropen's PGD training; the defaults are those of its code.

    Attributes:
        k: Steps of the ascent on the size of the gradient; 0 is standard training.
        epsilon: Radius at the start of the training, in the units of the input. The code uses .1 to .2 for
            both datasets. It divides MNIST's images by .3081, so these are .03 to .06 in pixels.
        final_epsilon: Radius at its end; between the two it grows in proportion to the epochs done.
        clamp: Keeps the ascent in [0, 1].
    """

    k: int = setting(6, "Steps of the ascent on ‖∇ₓℓᵢ‖; 0 for none.", low=0)
    epsilon: float = setting(0.1, "Radius of the ascent at first, an L∞ norm.", low=0)
    final_epsilon: float = setting(0.2, "Radius of the ascent at the end of the training.", low=0)
    clamp: bool = setting(False, "Keep attacked pixels in [0, 1]; for images that are not normalised.")

    @property
    @override
    def needs_pixels(self) -> bool:
        return self.clamp

    @property
    def attacks(self) -> bool:
        """Whether there are steps, and room for them."""
        return self.k > 0 and (self.epsilon > 0 or self.final_epsilon > 0)

    @property
    @override
    def control_experiment(self) -> str:
        """None: without room for steps it is standard training itself."""
        return ""

    @property
    @override
    def passes(self) -> int:
        """One of the mixed batch, and one for each step, which differentiates half a batch twice."""
        return 1 + self.k if self.attacks else 1


@register
class DropenPGD(GradientAscent[DropenPGDSettings]):
    """The loss of a batch whose first half is clean and whose second half is attacked.

    The attack is that of `GradientAscent`, which Dropen's code uses for what its report calls PGD training:
    it climbs the size of the input's gradient. Ordinary PGD, which climbs the loss and keeps a whole clean
    batch beside the attacked one, is method ``pgd``. For text x are the vectors of the tokens. A batch of an
    odd size has one attacked example more than clean ones.

    Loss, outputs and BatchNorm's statistics are those of the clean batch, as other methods' are: a forward
    computation without a gradient, which counts as no pass.
    """

    name = "dropen-pgd"
    summary = "Half of the batch is attacked by an ascent on the size of the input's gradient."
    equation = (
        "∇L(x₁, x₂ + δ_K) for the halves x₁ and x₂ of a batch; δ_{k+1} = Π_ε(δ_k + ε/3 sign(∇ₓ‖∇ₓℓᵢ‖²))"
    )
    source = "Dropen, section 4, PGD training; by its code."
    cost = "K + 1"
    settings_type = DropenPGDSettings

    def __init__(self, settings: DropenPGDSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._epsilon = settings.epsilon

    @override
    def begin_epoch(self, progress: float) -> None:
        """See `Method.begin_epoch`; sets the radius."""
        first, last = self.settings.epsilon, self.settings.final_epsilon
        self._epsilon = first + progress * (last - first)

    @classmethod
    @override
    def canonical(cls, settings: DropenPGDSettings, words: bool) -> tuple[str, Settings]:
        """Without steps, or room for them, it is standard training."""
        if not settings.attacks:
            return Standard.canonical(StandardSettings(), words)
        return cls.name, settings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        if not self.settings.attacks:
            return StepResult(*self.forward_backward(model, *batch))
        inputs, labels = batch
        target = find_input(model, self.task, inputs)
        size = size_of((inputs, labels))
        half = size // 2
        second = of_each(size, lambda t: t[half:], (inputs, labels))
        with torch.no_grad():
            loss, outputs = self.forward(model, inputs, labels)
        with twice_differentiable(model), frozen_batch_statistics(model), attached([target]):
            k, clamp = self.settings.k, self.settings.clamp
            perturbation, share = self.ascended(model, target, *second, self._epsilon, k, clamp)
            target.shift(torch.cat([perturbation.new_zeros(half, *perturbation.shape[1:]), perturbation]))
            self.forward_backward(model, inputs, labels)
        return StepResult(loss, outputs, {"skipped": share})
