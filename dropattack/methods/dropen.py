"""Dropen: the TRS regularizer on a network with dropout; it keeps input gradients small and unlike."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from typing_extensions import override

from dropattack.attack_settings import ScheduledSettings
from dropattack.batches import size_of
from dropattack.methods.gradient_ascent import GradientAscent, mean_square, of_each
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.modes import frozen_batch_statistics, twice_differentiable
from dropattack.perturbation import zeroed
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.activations import ActivationTarget
from dropattack.targets.names import find_input
from dropattack.targets.target import attached
from dropattack.task import Arguments, Batch, Labels, Task

BATCHES, MASKS = "batches", "masks"


@dataclass(frozen=True, kw_only=True)
class DropenSettings(ScheduledSettings):
    """Hyperparameters of Dropen; the defaults are what its report ran, in units that fit any batch size.

    Attributes:
        cosine: Weight of the similarity. The report adds up 5 · (2 · similarity + …).
        compare: ``batches`` compares row i of this batch with row i of earlier ones, as the report does:
            gradients of unlike examples. ``masks`` compares one example's gradients under two dropout masks,
            which is what TRS does with its sub-models.
        memory: Earlier batches that ``batches`` keeps; they are forgotten with each epoch.
        smoothness: Weight of mean‖∇ₓℓᵢ‖², with x in the units of the input. The report's 5 · 2·10⁴ · 2 weighs
            gradients of a mean over 1000 examples, so it equals 2·10⁵ / 1000² = 0.2 here: for CIFAR-10 in
            pixels of [0, 1], for MNIST in units of its normalised images, x / .3081. In MNIST's pixels it is
            0.2 · .3081² = 0.019.
        k: Steps of the ascent on the size of the gradient; 0 measures smoothness on the clean batch alone.
        epsilon: Radius of that ascent at the start of the training, in the units of the input. The report
            writes .1 to .2 in units of normalised MNIST, which are .03 to .06 in pixels of [0, 1].
        final_epsilon: Radius at its end; between the two it grows in proportion to the epochs done.
        clamp: Keeps the ascent in [0, 1].
    """

    cosine: float = setting(10.0, "Weight of the gradients' similarity.", low=0)
    compare: str = setting(
        BATCHES,
        "Gradients that must differ: of earlier batches (report) or of two masks (TRS).",
        choices=(BATCHES, MASKS),
    )
    memory: int = setting(5, "Earlier batches that are kept.", low=1)
    smoothness: float = setting(0.2, "Weight of mean‖∇ₓℓᵢ‖², whatever the batch size.", low=0)
    k: int = setting(6, "Steps of the inner ascent on ‖∇ₓℓᵢ‖; 0 for none.", low=0)
    epsilon: float = setting(0.1, "Radius of the inner ascent at first, an L∞ norm.", low=0)
    final_epsilon: float = setting(0.2, "Radius of the inner ascent at the end of the training.", low=0)
    clamp: bool = setting(False, "Keep attacked pixels in [0, 1]; for images that are not normalised.")

    @property
    @override
    def needs_pixels(self) -> bool:
        return self.clamp

    @property
    def ascends(self) -> bool:
        """Whether smoothness is measured in a pass of its own."""
        return self.smoothness > 0 and self.k > 0

    @property
    def penalised(self) -> bool:
        """Whether the clean pass has a penalty, and so must be differentiated twice."""
        return self.cosine > 0 or (self.smoothness > 0 and not self.ascends)

    @property
    @override
    def control_experiment(self) -> str:
        """None: an ε of 0 leaves penalties that are measured without an ascent."""
        return ""

    @property
    @override
    def passes(self) -> int:
        """Passes over the whole batch; one that is differentiated twice counts as two."""
        doubled = self.cosine > 0 and self.compare == MASKS
        return (1 + self.penalised) * (1 + doubled) + (2 + self.k if self.ascends else 0)


@register
class Dropen(GradientAscent[DropenSettings]):
    """Loss + cosine · mean|cos(∇ₓℓᵢ, ∇ₓℓᵢ′)| + smoothness · mean‖∇ₓℓᵢ‖².

    The loss is of the clean batch; with ``masks`` it is the mean over both masks. Smoothness is measured on
    the first half of the batch, clean, beside the second half, attacked as `GradientAscent` does (Dropen's
    code; its report calls this projected gradient descent). For text x are the vectors of the tokens.

    Penalties on a gradient need the derivative of a derivative: once for each of the two terms, with respect
    to the weights, and once for each step of the ascent, with respect to the half batch. A row whose gradient
    is zero has no direction, and a similarity of 0. Gradients of batches of different shapes are compared in
    the part that both have. Without dropout in the model, two masks are one and that term is constant.

    The log holds ``cosine`` and ``smoothness``, the unweighted terms.
    """

    name = "dropen"
    summary = "Input gradients of dropout's sub-networks are kept unlike and small."
    equation = (
        "∇[L + cosine · mean|cos(∇ₓℓᵢ, ∇ₓℓᵢ′)| + smoothness · mean‖∇ₓℓᵢ(x₁, x₂ + δ_K)‖²]; "
        "δ_K as in dropen-pgd, none where K = 0; ℓᵢ′ is row i of an earlier batch"
    )
    source = "Dropen, section 3; Yang et al. 2021, TRS."
    cost = "4 + K; 2 where K = 0; 2 more to compare masks"
    state = "input gradients of earlier batches"
    settings_type = DropenSettings

    def __init__(self, settings: DropenSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._earlier: deque[Tensor] = deque(maxlen=settings.memory)
        self._epsilon = settings.epsilon

    @override
    def begin_epoch(self, progress: float) -> None:
        """See `Method.begin_epoch`; forgets earlier batches and sets the radius."""
        first, last = self.settings.epsilon, self.settings.final_epsilon
        self._epsilon = first + progress * (last - first)
        self._earlier.clear()

    @classmethod
    @override
    def canonical(cls, settings: DropenSettings, words: bool) -> tuple[str, Settings]:
        """Settings of a term of weight 0 do not count; without terms it is standard training."""
        if not settings.penalised and not settings.ascends:
            return Standard.canonical(StandardSettings(), words)
        idle = []
        if settings.cosine == 0 or settings.compare == MASKS:
            idle.append("memory")
        if settings.cosine == 0:
            idle.append("compare")
        if settings.smoothness == 0:
            idle.append("k")
        if not settings.ascends:
            idle += ["epsilon", "final_epsilon", "clamp"]
        return cls.name, settings.without(*idle)

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        inputs, labels = batch
        target = find_input(model, self.task, inputs)
        log: dict[str, Tensor] = {}
        with twice_differentiable(model), attached([target]):
            if self.settings.penalised:
                loss, outputs, log = self._penalised_pass(model, target, inputs, labels)
            else:
                loss, outputs = self.forward_backward(model, inputs, labels)
            if self.settings.ascends:
                log |= self._attacked_passes(model, target, inputs, labels)
        return StepResult(loss, outputs, log)

    def _penalised_pass(
        self, model: nn.Module, target: ActivationTarget, inputs: Arguments, labels: Labels
    ) -> tuple[Tensor, Any, dict[str, Tensor]]:
        settings, size = self.settings, size_of((inputs, labels))
        masks = settings.cosine > 0 and settings.compare == MASKS
        if masks:
            inputs, labels = of_each(size, lambda t: torch.cat([t, t]), (inputs, labels))
        loss, outputs, gradient, _ = self.differentiated_loss(model, target, inputs, labels)
        total, log = loss, {}
        if settings.cosine > 0:
            others = [gradient[:size]] if masks else list(self._earlier)
            own = gradient[size:] if masks else gradient
            log["cosine"] = similarity(own, others)
            total = total + settings.cosine * log["cosine"]
            if not masks:
                found = gradient.detach()
                self._earlier.append(zeroed(found.clone(), ~torch.isfinite(found)))
        if settings.smoothness > 0 and not settings.ascends:
            log["smoothness"] = mean_square(gradient)
            total = total + settings.smoothness * log["smoothness"]
        self._propagate_to(model, total)
        outputs = tree_map_only(Tensor, lambda t: (t[:size] if t.dim() else t).detach(), outputs)
        return loss.detach(), outputs, {name: value.detach() for name, value in log.items()}

    def _attacked_passes(
        self, model: nn.Module, target: ActivationTarget, inputs: Arguments, labels: Labels
    ) -> dict[str, Tensor]:
        size = size_of((inputs, labels))
        half = size // 2
        with frozen_batch_statistics(model):
            second = of_each(size, lambda t: t[half:], (inputs, labels))
            perturbation, share = self.ascended(
                model, target, *second, self._epsilon, self.settings.k, self.settings.clamp
            )
            target.shift(torch.cat([perturbation.new_zeros(half, *perturbation.shape[1:]), perturbation]))
            gradient = self.differentiated_loss(model, target, inputs, labels)[2]
            smoothness = mean_square(gradient)
            self._propagate_to(model, self.settings.smoothness * smoothness)
        return {"smoothness": smoothness.detach(), "skipped": share}

    def _propagate_to(self, model: nn.Module, value: Tensor) -> None:
        """Adds a value's gradient to the ``.grad`` of the parameters, and computes no other."""
        if value.requires_grad:
            self.propagate(value, [p for p in model.parameters() if p.requires_grad])

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"earlier": [gradient.clone() for gradient in self._earlier]} if self._earlier else {}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._earlier = deque(
            (gradient.clone() for gradient in state.get("earlier", ())), maxlen=self.settings.memory
        )


def similarity(gradient: Tensor, others: list[Tensor]) -> Tensor:
    """Mean of |cos| between the rows of a gradient and the same rows of others; 0 where there are none.

    Args:
        gradient: ``[batch, …]``.
        others: Each ``[other batch, …]``; where shapes differ, the part that both have is compared.

    Returns:
        0-dimensional, in [0, 1], differentiable.
    """
    found = []
    for other in others:
        shared = tuple(slice(min(sizes)) for sizes in zip(gradient.shape, other.shape, strict=True))
        pair = _directions(gradient[shared]), _directions(other[shared].to(gradient))
        found.append((pair[0] * pair[1]).sum(1).abs().mean())
    return torch.stack(found).mean() if found else gradient.new_zeros(())


def _directions(rows: Tensor) -> Tensor:
    """Each row as a vector of length 1, or 0 where it is zero."""
    rows = rows.flatten(1)
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(length > 0, length, 1)
