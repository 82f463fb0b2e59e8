"""How the learning rate changes over a training: torch's own schedulers, step by step."""

from dataclasses import dataclass
from math import ceil

import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)
from typing_extensions import override

from dropattack import Settings, UsageError, setting

CONSTANT, COSINE, LINEAR, STEP, ONE_CYCLE = "constant", "cosine", "linear", "step", "one-cycle"
_RISE = 0.3
"""Share of a one-cycle schedule in which the rate rises, if no warm-up sets it; torch's default."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Settings):
    """How the learning rate changes from step to step."""

    schedule: str = setting(
        CONSTANT,
        "Course of the learning rate after its warm-up: constant, half a cosine or a line down to 0, steps, "
        "or one cycle up and down; from step to step.",
        choices=(CONSTANT, COSINE, LINEAR, STEP, ONE_CYCLE),
    )
    warmup: float = setting(
        0.0, "Share of the training in which the rate rises, in a line or along one-cycle.", low=0, high=0.99
    )
    milestones: str = setting(
        "0.5+0.75", "Shares of the training after which a step schedule multiplies the rate, joined by +."
    )
    gamma: float = setting(0.1, "Factor of the rate at each milestone of a step schedule.", low=0, high=1)

    @override
    def __post_init__(self) -> None:
        if isinstance(self.milestones, float):  # a single one, which YAML reads as a number
            object.__setattr__(self, "milestones", repr(self.milestones))
        super().__post_init__()
        shares = [repr(share) for share in sorted(set(self._shares()))]
        object.__setattr__(self, "milestones", "+".join(shares))

    def _shares(self) -> list[float]:
        try:
            shares = [float(share) for share in self.milestones.split("+")]
        except ValueError:
            shares = []
        if not shares or not all(0 < share < 1 for share in shares):
            raise UsageError(
                f"milestones must be shares of the training joined by +, such as 0.5+0.75, "
                f"not {self.milestones!r}"
            )
        return shares

    def milestones_of(self, steps: int) -> list[int]:
        """The milestones in steps."""
        return [ceil(round(share * steps, 6)) for share in self._shares()]


def idle(settings: ScheduleSettings) -> list[str]:
    """Settings that have no effect beside the others."""
    return [] if settings.schedule == STEP else ["milestones", "gamma"]


def schedule_for(
    optimizer: torch.optim.Optimizer, settings: ScheduleSettings, steps: int
) -> LRScheduler | None:
    """Builds torch's scheduler, to advance after each step; ``None`` if the rate is constant.

    With a warm-up of n steps, step i of them, counted from 1, has i/n of the rate.

    Args:
        optimizer: The optimizer whose rate it sets.
        settings: The course of the rate.
        steps: Number of steps in the whole training.
    """
    warm = round(settings.warmup * steps)
    if settings.schedule == ONE_CYCLE:
        rates = [group["lr"] for group in optimizer.param_groups]
        # torch divides by the lengths of the rise and of the fall less one step.
        rise = min(max(settings.warmup or _RISE, 2 / steps), 1 - 1 / steps) if steps > 2 else _RISE
        return OneCycleLR(optimizer, rates, total_steps=max(steps, 2), pct_start=rise, cycle_momentum=False)
    left = max(1, steps - warm)
    if not warm:
        return _course(optimizer, settings, steps, 0, left)
    rising = LinearLR(optimizer, start_factor=1 / warm, total_iters=max(1, warm - 1))
    then = _course(optimizer, settings, steps, warm, left)
    return rising if then is None else SequentialLR(optimizer, [rising, then], milestones=[warm])


def _course(
    optimizer: torch.optim.Optimizer, settings: ScheduleSettings, steps: int, warm: int, left: int
) -> LRScheduler | None:
    """The scheduler of the ``left`` steps after a warm-up of ``warm`` steps."""
    if settings.schedule == COSINE:
        return CosineAnnealingLR(optimizer, left)
    if settings.schedule == LINEAR:
        return LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=left)
    if settings.schedule == STEP:
        places = [max(0, place - warm) for place in settings.milestones_of(steps)]
        return MultiStepLR(optimizer, places, settings.gamma)
    return None
