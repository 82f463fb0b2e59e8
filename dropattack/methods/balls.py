"""Where an attack inside a ball begins, and how it goes on."""

from typing import Literal

import torch
from torch import Tensor

from dropattack.perturbation import Granularity, granularity, noise_like, norm, projected, scaled, sign_step
from dropattack.targets.target import Target


def random_point(
    value: Tensor, radius: float, by: Granularity | Literal["element"], generator: torch.Generator | None
) -> Tensor:
    """A perturbation drawn uniformly from the L2 ball around zero, or with ``element`` from the L∞ ball.

    In d dimensions its distance from the centre is radius · U^(1/d), for U uniform in [0, 1).

    Args:
        value: What will be perturbed.
        radius: Of the ball.
        by: Whether the L2 ball is that of the whole ``tensor``, or each ``row`` has its own.
        generator: Source of the draws.
    """
    if by == "element":
        drawn = torch.rand(value.shape, generator=generator, dtype=torch.float32, device=value.device)
        return drawn.mul_(2).sub_(1).mul_(radius).to(value.dtype)
    direction = noise_like(value, generator)
    length = norm(direction, by)
    share = torch.rand(length.shape, generator=generator, dtype=torch.float32, device=value.device)
    distance = share.pow_(length.numel() / max(1, value.numel())).mul_(radius)
    return scaled(direction, distance.to(value.dtype), length)[0]


def projected_step(
    target: Target, perturbation: Tensor | None, gradient: Tensor, size: float, radius: float, ball: str
) -> tuple[Tensor, Tensor]:
    """One step of size ``size`` from a perturbation, back into the ball ``l2`` or ``linf`` of that radius."""
    by = granularity("sample", target.batched, gradient)
    if ball == "linf":
        step, share = sign_step(gradient, size)
    else:
        step, share = scaled(gradient, size, norm(gradient, by))
    if perturbation is not None:
        step.add_(perturbation)
    return projected(step, radius, "element" if ball == "linf" else by), share
