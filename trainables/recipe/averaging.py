"""Averaged weights, which are validated, tested and kept instead of the weights that train."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dropattack import Settings, setting

NONE, EMA, SWA = "none", "ema", "swa"


@dataclass(frozen=True, kw_only=True)
class AveragingSettings(Settings):
    """The average of the weights that is evaluated."""

    average: str = setting(
        NONE,
        "Weights that are evaluated: those of the last step, their moving average (ema), or the plain mean "
        "of all steps after a start (swa).",
        choices=(NONE, EMA, SWA),
    )
    average_decay: float = setting(0.999, "Decay of ema at each step.", low=0, high=0.999999)
    average_start: float = setting(
        0.75, "Share of the training after which swa begins, in whole epochs.", low=0, high=0.99
    )


def idle(settings: AveragingSettings) -> list[str]:
    """Settings that have no effect beside the others."""
    found = [] if settings.average == EMA else ["average_decay"]
    return found + ([] if settings.average == SWA else ["average_start"])


class Averaged:
    """The average of a model's weights, and of its running statistics alike.

    Args:
        model: The model that trains.
        settings: Choose the average.
    """

    def __init__(self, model: nn.Module, settings: AveragingSettings) -> None:
        self._model = model
        self._settings = settings
        self._average = AveragedModel(model, use_buffers=True)
        for module in self._average.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # a copy's lie apart, and cuDNN would gather them at every pass

    def update(self, until: float) -> None:
        """Adds the weights after a step to the average.

        Args:
            until: Share of the training that is done at the end of the epoch.
        """
        if self._settings.average == EMA or until > self._settings.average_start:
            self._take()

    @torch.no_grad()
    def _take(self) -> None:
        """Updates as `AveragedModel.update_parameters`, but never makes the host wait for a GPU.

        (PyTorch's method moves its count of steps to the device at each step, and reads it back for a mean.)
        Whole numbers, such as BatchNorm's count of batches, are those of the last step.
        """
        count = int(self._average.n_averaged)  # on the CPU
        share = 1 - self._settings.average_decay if self._settings.average == EMA else 1 / (count + 1)
        average, now = (
            [*model.parameters(), *model.buffers()] for model in (self._average.module, self._model)
        )
        pairs = list(zip(average, now, strict=True))
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([a for a, _ in moving], [n for _, n in moving], share if count else 1.0)
        for one, other in pairs:
            if not one.is_floating_point():
                one.copy_(other)
        self._average.n_averaged += 1

    @property
    def model(self) -> nn.Module:
        """The model to evaluate: the average, or the model that trains until there is one."""
        begun = int(self._average.n_averaged) > 0
        return self._average.module if begun else self._model

    def state_dict(self) -> dict[str, Any]:
        """The average so far."""
        return self._average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self._average.load_state_dict(state)


def averaged(model: nn.Module, settings: AveragingSettings) -> Averaged | None:
    """The average of a model's weights, if the settings ask for one."""
    return None if settings.average == NONE else Averaged(model, settings)
