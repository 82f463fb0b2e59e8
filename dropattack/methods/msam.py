"""Momentum-SAM: a perturbation along the momentum of the gradients, at no further pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.method import Method
from dropattack.methods.standard import Standard, StandardSettings
from dropattack.perturbation import joint_norm, scaled
from dropattack.registry import register
from dropattack.settings import EPS_ZERO, Settings, setting
from dropattack.step_result import StepResult
from dropattack.targets.target import ParameterTarget, attached
from dropattack.task import Batch, Task
from dropattack.wrappers import own_name, unwrapped


@dataclass(frozen=True, kw_only=True)
class MSAMSettings(Settings):
    """Hyperparameters of Momentum-SAM."""

    rho: float = setting(0.3, "L2 norm ρ of the perturbation of all weights together.", low=0)
    mu: float = setting(0.9, "Decay μ of the momentum v; the optimizer's momentum.", low=0, high=0.999)

    @property
    @override
    def control_experiment(self) -> str:
        """``eps-zero`` with a ρ of 0."""
        return EPS_ZERO if self.rho == 0 else ""


@register
class MSAM(Method[MSAMSettings]):
    """The gradient g at w − ρ v / ‖v‖, applied at w; then v ← μ v + g.

    As −v is where momentum carries the weights, the perturbation runs ahead of them: on a new batch that
    raises the loss. In the first step v is zero, and the step is a plain one. A weight without a gradient
    keeps its v, and so do all where a gradient is not finite.

    The authors' code reads v from its own optimizer, where v also holds weight decay and clipping. Here v is
    of gradients alone, so that any optimizer and any loop may make the updates: each batch moves v once.
    """

    name = "msam"
    summary = "SAM along the momentum, without a further pass."
    source = "Becker et al. 2024, Algorithm 1."
    state = "v, the momentum of its gradients"
    settings_type = MSAMSettings

    def __init__(self, settings: MSAMSettings, task: Task) -> None:
        super().__init__(settings, task)
        self._momentum: dict[str, Tensor] = {}

    @classmethod
    @override
    def canonical(cls, settings: MSAMSettings, words: bool) -> tuple[str, Settings]:
        """Without a perturbation the momentum does not count."""
        if settings.rho == 0:
            return Standard.canonical(StandardSettings(), words)
        return cls.name, settings

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        weights = [
            ParameterTarget(own_name(name), parameter)
            for name, parameter in unwrapped(model).named_parameters()
            if parameter.requires_grad
        ]
        moving = [weight for weight in weights if weight.name in self._momentum]
        velocity = [self._momentum[weight.name].to(weight.parameter) for weight in moving]
        with attached(weights):
            if velocity:
                length = joint_norm(velocity)
                reach, _ = scaled(torch.ones_like(length), -self.settings.rho, length)
                for weight, perturbation in zip(moving, torch._foreach_mul(velocity, reach), strict=True):
                    weight.shift(perturbation)
            loss, outputs = self.forward_backward(model, *batch)
        self._follow({weight.name: g for weight in weights if (g := weight.gradient()) is not None})
        return StepResult(loss, outputs)

    @torch.no_grad()
    def _follow(self, gradients: Mapping[str, Tensor]) -> None:
        """Moves v to μ v + g, where all of g is finite."""
        if not gradients:
            return
        found = list(gradients.values())
        before = [
            self._momentum[name].to(g) if name in self._momentum else torch.zeros_like(g)
            for name, g in gradients.items()
        ]
        finite = torch.isfinite(joint_norm(found))
        if finite.is_cpu and not finite:
            return
        moved = list(torch._foreach_add(found, before, alpha=self.settings.mu))
        if not finite.is_cpu:
            moved = [torch.where(finite, *pair) for pair in zip(moved, before, strict=True)]
        self._momentum.update(zip(gradients, moved, strict=True))

    @override
    def state_dict(self) -> dict[str, Any]:
        if not self._momentum:
            return {}
        return {"momentum": {name: v.clone() for name, v in self._momentum.items()}}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._momentum = {name: v.clone() for name, v in state["momentum"].items()} if state else {}
