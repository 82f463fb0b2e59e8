"""Attacks that use outputs only. A model whose gradients mislead other attacks is weaker against these."""

from collections.abc import Iterable

import torch
from torch import Tensor

from dropattack.errors import UsageError
from dropattack.robustness.ascent import margin, random_point
from dropattack.robustness.victims import Victim

_FIRST_SHARE = 0.3
_HALVINGS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after which the squares' area is halved."""


@torch.no_grad()
def noise(
    victim: Victim, labels: Tensor, epsilon: float, ball: str, draws: int, generator: torch.Generator | None
) -> Tensor:
    """The worst of some points drawn from the ball, for each example by itself; see `random_point`."""
    points = (random_point(victim, epsilon, ball, generator) for _ in range(draws))
    return worst(victim, labels, points)


@torch.no_grad()
def worst(victim: Victim, labels: Tensor, points: Iterable[Tensor]) -> Tensor:
    """For each example the point of the largest margin."""
    best, most = victim.start, torch.full(labels.shape, -torch.inf, device=labels.device)
    for point in points:
        led = margin(victim.outputs(point), labels).to(most.dtype)
        best = torch.where(_rows(led > most, point), point, best)
        most = torch.maximum(led, most)
    return best


@torch.no_grad()
def square(
    victim: Victim, labels: Tensor, epsilon: float, queries: int, generator: torch.Generator | None
) -> Tensor:
    """Random search by squares at the corners of the L∞ ball (after Andriushchenko et al. 2020, Algorithm 2).

    It begins with vertical stripes of ±ε. Each query sets a square window, at a random place and with a
    random sign for each channel, and keeps it where the margin grows. The window's area begins at 30 % of the
    image and is halved as the queries are used up.

    Args:
        victim: Images, ``[batch, channels, height, width]``.
        labels: ``[batch]``, int64.
        epsilon: Radius of the L∞ ball.
        queries: Evaluations of the model, the first included.
        generator: Source of all draws; ``None`` takes torch's default.

    Raises:
        UsageError: The victim is not images.
    """
    if victim.start.dim() != 4:
        raise UsageError("the square attack is for images; use noise for other inputs")
    batch, channels, height, width = victim.start.shape
    device = victim.start.device

    def signs(*shape: int) -> Tensor:
        drawn = torch.rand(shape, generator=generator, device=device) < 0.5
        return torch.where(drawn, -epsilon, epsilon).to(victim.start.dtype)

    best = victim.projected(victim.start + signs(batch, channels, 1, width), epsilon, "linf")
    most = margin(victim.outputs(best), labels)
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    for query in range(1, queries):
        share = _FIRST_SHARE / 2 ** sum(query / queries > after for after in _HALVINGS)
        side = min(max(1, round((share * height * width) ** 0.5)), height, width)
        corner = torch.rand(2, batch, 1, generator=generator, device=device)
        top, left = (corner[0] * (height - side + 1)).floor(), (corner[1] * (width - side + 1)).floor()
        inside = _window(rows, top, side)[:, None, :, None] & _window(columns, left, side)[:, None, None, :]
        moved = torch.where(inside, victim.start + signs(batch, channels, 1, 1), best)
        point = victim.projected(moved, epsilon, "linf")
        led = margin(victim.outputs(point), labels)
        better = led > most
        best, most = torch.where(_rows(better, point), point, best), torch.where(better, led, most)
    return best


def _window(places: Tensor, first: Tensor, side: int) -> Tensor:
    """``[batch, places]``: true for ``side`` places from ``first``, ``[batch, 1]``."""
    return (places >= first) & (places < first + side)


def _rows(which: Tensor, like: Tensor) -> Tensor:
    """``[batch]`` reshaped so that it broadcasts against ``like``."""
    return which.view(-1, *[1] * (like.dim() - 1))
