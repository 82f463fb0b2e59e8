"""Random weight perturbation: noise instead of an attack, at the cost of standard training."""

from contextlib import ExitStack
from dataclasses import dataclass

from torch import Tensor, nn
from typing_extensions import override

from dropattack.attack_settings import AttackSettings
from dropattack.method import Method
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import noise_like, norm
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.names import trainable_targets
from dropattack.targets.target import attached
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class RWPSettings(AttackSettings):
    """Hyperparameters of random weight perturbation."""

    sigma: float = setting(0.01, "Standard deviation of the noise, relative to its filter's norm.", low=0)
    clean_weight: float = setting(
        0.0,
        "Weight of the clean gradient beside the perturbed one; 0.5 is the mixed form m-RWP.",
        low=0,
        high=0.99,
    )

    @property
    @override
    def passes(self) -> int:
        """1, or 2 in the mixed form."""
        return 2 if self.clean_weight > 0 else 1


@register
class RWP(Method[RWPSettings]):
    """The gradient at w + N(0, σ² ‖w_f‖²), with a fresh draw for each step.

    A filter w_f is a row of the first dimension, or a whole parameter of one dimension. Of an embedding
    matrix only the rows in the batch are perturbed.
    """

    name = "rwp"
    summary = "Gradient at randomly perturbed weights."
    equation = "c ∇L(w) + (1 − c) ∇L(w + N(0, σ²‖w_f‖²)) for each filter w_f; c = clean_weight"
    source = "Li et al. 2022, RWP and m-RWP; Bisla et al. 2022."
    cost = "1, or 2 with a clean part"
    settings_type = RWPSettings

    @classmethod
    @override
    def canonical(cls, settings: RWPSettings, words: bool) -> tuple[str, Settings]:
        """With σ = 0 and one pass it is standard training; a single pass shares masks with no other."""
        if settings.sigma == settings.clean_weight == 0:
            return Standard.canonical(StandardSettings(), words)
        return cls.name, settings if settings.clean_weight else settings.without("dropout")

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        inputs, labels = batch
        clean = self.settings.clean_weight
        targets = trainable_targets(model, self.task)
        results = []
        with ExitStack() as stack:
            stack.enter_context(attached(targets))
            if clean > 0:
                results.append(self.forward_backward(model, inputs, labels, clean))
                stack.enter_context(frozen_batch_statistics(model))
            for target in targets:
                target.shift(self._noise)
            results.append(self.forward_backward(model, inputs, labels, 1 - clean))
        loss, outputs = results[0]
        return StepResult(loss, outputs)

    def _noise(self, value: Tensor) -> Tensor:
        length = norm(value, "row" if value.dim() > 1 else "tensor")
        return noise_like(value, self.task.generator).mul_(length * self.settings.sigma)
