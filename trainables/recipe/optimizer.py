"""The optimizer, one of torch's own, and its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from typing_extensions import override

from dropattack import Settings, UsageError, setting

_TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
_WITH_BETAS = ("adam", "adamw", "nadam", "radam")
_WITH_MOMENTUM = ("sgd", "rmsprop")
_FUSED = ("adam", "adamw", "sgd")
"""Optimizers whose fused version, one kernel for all parameters, torch has on every device."""
_FUSED_ON_CPU = (*_FUSED, "adagrad")
"""Optimizers with a fused version on a CPU; adagrad's for CUDA is newer than the oldest supported torch."""
_ALL, _WEIGHTS = "all", "weights"


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """How gradients become updates; the defaults are those of DropAttack's paper (section 4.2)."""

    optimizer: str = setting("adam", "torch.optim's optimizer of that name.", choices=tuple(_TORCHS))
    learning_rate: float = setting(1e-3, "Learning rate; its largest value under a schedule.", low=0)
    momentum: float = setting(0.0, "Momentum of sgd and rmsprop.", low=0, high=1)
    nesterov: bool = setting(False, "Whether the momentum of sgd is Nesterov's.")
    beta1: float = setting(0.9, "Decay of the mean gradient of adam and its kin.", low=0, high=0.999999)
    beta2: float = setting(0.999, "Decay of the mean square of adam and its kin.", low=0, high=0.999999)
    weight_decay: float = setting(
        0.0, "Weight decay: added to the gradient, but decoupled from it in adamw.", low=0
    )
    weight_decay_on: str = setting(
        _ALL,
        "What decays: all parameters, or weights alone, which leaves out biases and normalisation layers.",
        choices=(_ALL, _WEIGHTS),
    )
    clip_norm: float = setting(0.0, "Largest L2 norm of the gradient of an update; 0 for any.", low=0)
    accumulate: int = setting(
        1, "Batches of an update: each is attacked alone, and the update uses their mean gradient.", low=1
    )

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer == "sgd" and self.nesterov and not self.momentum:
            raise UsageError("nesterov needs momentum; set training.momentum, such as 0.9")


def idle(settings: OptimizerSettings) -> list[str]:
    """Settings that have no effect beside the others."""
    found = [] if settings.optimizer in _WITH_MOMENTUM else ["momentum"]
    found += [] if settings.optimizer == "sgd" and settings.momentum else ["nesterov"]
    found += [] if settings.optimizer in _WITH_BETAS else ["beta1", "beta2"]
    return found + ([] if settings.weight_decay else ["weight_decay_on"])


def optimizer_for(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of torch over a model's parameters."""
    name = settings.optimizer
    options: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if name in _WITH_BETAS:
        options["betas"] = (settings.beta1, settings.beta2)
    if name in _WITH_MOMENTUM:
        options["momentum"] = settings.momentum
    if name == "sgd":
        options["nesterov"] = settings.nesterov and settings.momentum > 0
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
    if name in (_FUSED_ON_CPU if on_cpu else _FUSED):
        options["fused"] = True
    return _TORCHS[name](_groups(model, settings), **options)


def _groups(model: nn.Module, settings: OptimizerSettings) -> Any:
    """All parameters, or those that decay and those that do not."""
    if not settings.weight_decay or settings.weight_decay_on == _ALL:
        return model.parameters()
    kept = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    decaying = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    return [{"params": decaying}, {"params": kept, "weight_decay": 0.0}]
