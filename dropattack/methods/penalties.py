"""Penalties on the size of the parameters: L1 and L2."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.method import Method
from dropattack.registry import register
from dropattack.settings import Settings, setting
from dropattack.step_result import StepResult
from dropattack.task import Batch


@dataclass(frozen=True, kw_only=True)
class L1Settings(Settings):
    """Hyperparameters of the L1 penalty."""

    strength: float = setting(1e-5, "Factor λ of Σ|θ|; the paper does not say, try 1e-6 to 1e-4.", low=0)


@dataclass(frozen=True, kw_only=True)
class L2Settings(Settings):
    """Hyperparameters of the L2 penalty."""

    strength: float = setting(1e-4, "Factor λ of ‖θ‖²; the paper does not say, try 1e-5 to 1e-3.", low=0)


class _Penalty(Method[L1Settings | L2Settings]):
    """Adds the penalty's exact gradient to that of the loss; the reported loss is without the penalty.

    Every trainable parameter is penalised, whether this batch uses it or not, so a sparse gradient becomes a
    dense one.
    """

    @abstractmethod
    def gradient(self, parameter: Tensor) -> tuple[Tensor, float]:
        """Derivative of the penalty, as a tensor and a factor of it."""

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        loss, outputs = self.forward_backward(model, *batch)
        self._add_gradient(model)
        return StepResult(loss, outputs)

    @torch.no_grad()
    def _add_gradient(self, model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter.requires_grad:
                direction, factor = self.gradient(parameter)
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                elif parameter.grad.is_sparse:
                    parameter.grad = parameter.grad.to_dense()
                parameter.grad.add_(direction, alpha=factor)


@register
class L1(_Penalty):
    """Loss + λ Σ|θ|, with the subgradient 0 at 0."""

    name = "l1"
    summary = "L1 penalty on every parameter."
    equation = "∇[L + λ Σ|θ|]"
    source = "Tibshirani 1996; a row of DropAttack's Table 2."
    settings_type = L1Settings

    @override
    def gradient(self, parameter: Tensor) -> tuple[Tensor, float]:
        """λ sign(θ)."""
        return parameter.sign(), self.settings.strength


@register
class L2(_Penalty):
    """Loss + λ ‖θ‖²; with Adam this is not the decoupled decay of AdamW."""

    name = "l2"
    summary = "L2 penalty on every parameter."
    equation = "∇[L + λ‖θ‖²]"
    source = "Tikhonov 1943; a row of DropAttack's Table 2."
    settings_type = L2Settings

    @override
    def gradient(self, parameter: Tensor) -> tuple[Tensor, float]:
        """2λθ."""
        return parameter, 2 * self.settings.strength
