"""The random start and the projected steps of an attack inside a ball."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from dropattack.perturbation import Granularity, granularity, noise_like, norm, projected, scaled, sign_step
from dropattack.targets.target import Target


def random_point(
    value: Tensor,
    radius: float,
    by: Granularity | Literal["element"],
    generator: torch.Generator | None,
    kept: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """A perturbation drawn uniformly from the L2 ball around zero, or with ``element`` from the L∞ ball.

    In d dimensions its distance from the centre is radius · U^(1/d), for U uniform in [0, 1).

    Args:
        value: What will be perturbed.
        radius: Of the ball.
        by: Whether the L2 ball is that of the whole ``tensor``, or each ``row`` or vector has its own.
        generator: Source of the draws.
        kept: Puts zeros where nothing may be attacked, as `Target.kept` does; zeros count as no dimensions.
    """
    if by == "element":
        drawn = torch.rand(value.shape, generator=generator, dtype=torch.float32, device=value.device)
        return drawn.mul_(2).sub_(1).mul_(radius).to(value.dtype)
    direction = noise_like(value, generator)
    if kept is not None:
        direction = kept(direction)
    length = norm(direction, by)
    power: float | Tensor = length.numel() / max(1, value.numel())
    if kept is not None:
        power = 1 / norm(kept(torch.ones_like(direction, dtype=torch.float32)), by).square().clamp(min=1)
    share = torch.rand(length.shape, generator=generator, dtype=torch.float32, device=value.device)
    distance = share.pow(power).mul_(radius)
    return scaled(direction, distance.to(value.dtype), length)[0]


def lengths(target: Target, gradient: Tensor, by: Granularity) -> Tensor:
    """L2 norms to divide a gradient by; 1 at padding, where it is zero."""
    length = norm(gradient, by)
    if by != "last":
        return length
    return length.masked_fill(target.kept(torch.ones_like(length)) == 0, 1)


def projected_step(
    target: Target,
    perturbation: Tensor | None,
    gradient: Tensor,
    size: float,
    radius: float,
    ball: str,
    by: Granularity | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of size ``size`` from a perturbation, projected to the ball ``l2`` or ``linf`` of ``radius``.

    Each example has its own ball, and a parameter has one as a whole, unless ``by`` chooses otherwise.
    """
    by = by or granularity("sample", target.batched, gradient)
    if ball == "linf":
        step, share = sign_step(gradient, size)
    else:
        step, share = scaled(gradient, size, lengths(target, gradient, by))
    if perturbation is not None:
        step.add_(perturbation)
    return projected(step, radius, "element" if ball == "linf" else by), share
