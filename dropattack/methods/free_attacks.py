"""Attacks whose every pass trains: FreeAT-m and FreeLB-K.

Images are perturbed in their pixels, texts in the vectors of their tokens.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import norm, projected, scaled, sign_step
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.activations import ActivationTarget
from dropattack.targets.names import find_input
from dropattack.targets.target import attached
from dropattack.task import Batch, Task


@dataclass(frozen=True, kw_only=True)
class FreeATSettings(AttackSettings):
    """Hyperparameters of FreeAT."""

    m: int = setting(3, "Replays of each batch; divide the epochs by it for the budget of the source.", low=1)
    step_size: float = setting(4 / 255, "Change of each element of δ per replay.", low=0)
    epsilon: float = setting(4 / 255, "Largest absolute element of δ.", low=0)
    clamp: bool = setting(False, "Keep attacked pixels in [0, 1]; for images that are not normalised.")

    @property
    @override
    def needs_pixels(self) -> bool:
        return self.clamp

    @property
    @override
    def pixel_change(self) -> float:
        return self.epsilon

    @property
    @override
    def passes(self) -> int:
        """One for each replay."""
        return self.m


@register
class FreeAT(Method[FreeATSettings]):
    """Replays each batch m times; each pass updates the model and δ, which the next batch starts from.

    δ has one row for each place in the batch, and for text one vector for each position in it. It grows to
    the largest batch seen, and a smaller one uses its leading part. At padding δ neither moves nor is added.
    The reported loss is that of the first replay.
    """

    name = "freeat"
    summary = "Replays each batch m times, updating model and perturbation at once."
    equation = "∇L(x + δ), m times with an update each; δ ← Π_ε(δ + step_size · sign(∇ₓL(x + δ)))"
    source = "Shafahi et al. 2019, Algorithm 1; a row of DropAttack's Table 2."
    cost = "m, with m updates"
    state = "δ, the perturbation"
    settings_type = FreeATSettings

    def __init__(self, settings: FreeATSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._delta: Tensor | None = None

    @classmethod
    @override
    def canonical(cls, settings: FreeATSettings, words: bool) -> tuple[str, Settings]:
        """Where δ cannot move it stays zero; a single replay is then standard training.

        A single replay shares masks with no other.
        """
        if settings.m == 1:
            settings = settings.without("dropout")
        if settings.step_size == 0 or settings.epsilon == 0:
            if settings.m == 1 and not settings.clamp:
                return Standard.canonical(StandardSettings(), words)
            return cls.name, replace(settings.without("step_size"), epsilon=0.0)
        return cls.name, settings

    @override
    def own_step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.own_step`; m updates, loss and outputs of the first, and the mean log of all."""
        replays = []
        for _ in range(self.settings.m):
            replays.append(super().own_step(model, batch, optimizer))
        log = {name: torch.stack([replay.log[name] for replay in replays]).mean() for name in replays[0].log}
        return replace(replays[0], log=log)

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        """See `Method.gather`: one replay at x + δ; then δ takes its own step."""
        target = find_input(model, self.task, batch[0])
        with attached([target]):
            target.shift(self._bounded)
            loss, outputs, (gradient,) = self.gradients(model, *batch, [target], 1)
        if gradient is None:
            raise target.unused()
        return StepResult(loss, outputs, {"skipped": self._ascend(gradient)})

    def _leading(self, shape: torch.Size) -> Tensor:
        """The part of δ that a value of this shape uses, a view."""
        assert self._delta is not None
        return self._delta[tuple(slice(size) for size in shape)]

    def _bounded(self, value: Tensor) -> Tensor:
        """What to add to ``value``: its part of δ, which grows where it is too small."""
        if self._delta is None:
            self._delta = torch.zeros_like(value)
        self._delta = self._delta.to(value)
        grown = [max(0, wanted - held) for wanted, held in zip(value.shape, self._delta.shape, strict=True)]
        if any(grown):
            self._delta = F.pad(self._delta, [side for more in reversed(grown) for side in (0, more)])
        delta = self._leading(value.shape)
        return (value + delta).clamp_(0, 1).sub_(value) if self.settings.clamp else delta.clone()

    def _ascend(self, gradient: Tensor) -> Tensor:
        step, share = sign_step(gradient, self.settings.step_size)
        delta = self._leading(gradient.shape)
        delta.add_(step).clamp_(-self.settings.epsilon, self.settings.epsilon)
        return share

    @override
    def state_dict(self) -> dict[str, Any]:
        return {} if self._delta is None else {"delta": self._delta.clone()}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._delta = state["delta"].clone() if state else None


@dataclass(frozen=True, kw_only=True)
class FreeLBSettings(AttackSettings):
    """Hyperparameters of FreeLB."""

    k: int = setting(3, "Passes K.", low=1)
    step_size: float = setting(0.1, "L2 norm of an ascent step, per example; try .03 to .1.", low=0)
    magnitude: float = setting(0.2, "L2 norm, at most, of the initial noise, per example; 0 to 1.", low=0)
    max_norm: float = setting(0.0, "Largest L2 norm of a perturbation, per example; 0 for any.", low=0)

    @property
    @override
    def passes(self) -> int:
        """K."""
        return self.k


@register
class FreeLB(Method[FreeLBSettings]):
    """K passes over an ascending perturbation of each example; each adds 1/K of its gradient.

    There is no clean pass, and no ascent after the last pass. Padding is not attacked, and no norm counts it.
    BatchNorm's statistics count the first pass alone.
    """

    name = "freelb"
    summary = "Mean gradient over K ascent steps from a random start."
    equation = (
        "1/K Σ_k ∇L(x + δ_k), k = 1 … K; δ_{k+1} = δ_k + step_size · g/‖g‖₂, g = ∇ₓL(x + δ_k), δ_1 random; "
        "with max_norm > 0, δ_{k+1} is projected into that ball"
    )
    source = "Zhu et al. 2020, Algorithm 1; a row of DropAttack's Table 2."
    cost = "K"
    settings_type = FreeLBSettings

    @classmethod
    @override
    def canonical(cls, settings: FreeLBSettings, words: bool) -> tuple[str, Settings]:
        """A single pass does not ascend; one without noise is standard training."""
        if settings.k > 1:
            return cls.name, settings
        if settings.magnitude == 0:
            return Standard.canonical(StandardSettings(), words)
        return cls.name, settings.without("step_size", "max_norm", "dropout")

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        settings = self.settings
        inputs, labels = batch
        target = find_input(model, self.task, inputs)
        results, shares = [], []
        with ExitStack() as stack:
            stack.enter_context(attached([target]))
            target.shift(lambda value: self._noise(value, target.words))
            for remaining in reversed(range(settings.k)):
                if not remaining:
                    results.append(self.forward_backward(model, inputs, labels, 1 / settings.k))
                    continue
                loss, outputs, (gradient,) = self.gradients(model, inputs, labels, [target], 1 / settings.k)
                if not results:
                    stack.enter_context(frozen_batch_statistics(model))
                results.append((loss, outputs))
                if gradient is None:
                    raise target.unused()
                shares.append(self._ascend(target, gradient))
        loss, outputs = results[0]
        log = {"skipped": torch.stack(shares).mean() if shares else torch.zeros_like(loss)}
        return StepResult(loss, outputs, log)

    def _noise(self, value: Tensor, words: Tensor | None) -> Tensor:
        """U(−1, 1) · magnitude / √n for the n elements of each example, or of its words."""
        noise = value.new_empty(value.shape).uniform_(-1, 1, generator=self.task.generator)
        if words is None:
            return noise.mul_(self.settings.magnitude / value[0].numel() ** 0.5)
        elements = words.reshape(len(words), -1).sum(1).clamp(min=1) * value.shape[-1]
        size = self.settings.magnitude / elements.to(value.dtype).sqrt()
        return noise.mul_(size.view(-1, *[1] * (value.dim() - 1)))

    def _ascend(self, target: ActivationTarget, gradient: Tensor) -> Tensor:
        step, share = scaled(gradient, self.settings.step_size, norm(gradient, "row"))
        perturbation = step.add_(target.perturbation)
        if self.settings.max_norm > 0:
            perturbation = projected(perturbation, self.settings.max_norm, "row")
        target.shift(perturbation)
        return share
