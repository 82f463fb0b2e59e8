"""White-box attacks: gradient ascent on a loss inside a ball (Goodfellow et al. 2015; Madry et al. 2018)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dropattack.perturbation import noise_like, norm, scaled, sign_step
from dropattack.robustness.victims import Victim

Loss = Callable[[Tensor, Tensor], Tensor]
"""``loss(outputs, labels)``, one value for each example."""


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of each example, ``[batch]``."""
    return F.cross_entropy(outputs, labels, reduction="none")


def margin(outputs: Tensor, labels: Tensor) -> Tensor:
    """By how much the best wrong class leads the right one, ``[batch]``: positive where the model errs.

    A loss of logits (Carlini and Wagner 2017), which does not vanish where a softmax is saturated.
    """
    own = outputs.gather(1, labels[:, None])
    others = outputs.scatter(1, labels[:, None], -torch.inf)
    return others.amax(1) - own.squeeze(1)


def input_gradient(victim: Victim, labels: Tensor, point: Tensor, loss: Loss = cross_entropy) -> Tensor:
    """Gradient of each example's loss by its point, shaped as the point; no parameter's ``.grad`` changes."""
    point = point.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(loss(victim.outputs(point), labels).sum(), point)
    return gradient


def single_step(victim: Victim, labels: Tensor, epsilon: float, ball: str, loss: Loss) -> Tensor:
    """FGSM (``linf``) and FGM (``l2``): one step of size ε from the clean point."""
    gradient = input_gradient(victim, labels, victim.start, loss)
    return victim.projected(victim.start + _step(gradient, epsilon, ball), epsilon, ball)


def projected_ascent(
    victim: Victim,
    labels: Tensor,
    epsilon: float,
    ball: str,
    loss: Loss,
    steps: int,
    size: float,
    generator: torch.Generator | None = None,
    random_start: bool = True,
) -> Tensor:
    """PGD: steps of a given size, each followed by projection.

    Args:
        victim: What is attacked.
        labels: ``[batch]``, int64.
        epsilon: Radius of the ball.
        ball: ``linf`` or ``l2``.
        loss: What is ascended.
        steps: How many steps.
        size: Size of a step, in the unit of ε.
        generator: Draws the start; ``None`` takes torch's default.
        random_start: Begin at `random_point` and not at the clean point.

    Returns:
        The last point.
    """
    point = random_point(victim, epsilon, ball, generator) if random_start else victim.start
    for _ in range(steps):
        gradient = input_gradient(victim, labels, point, loss)
        point = victim.projected(point + _step(gradient, size, ball), epsilon, ball)
    return point


def random_point(
    victim: Victim, epsilon: float, ball: str, generator: torch.Generator | None = None
) -> Tensor:
    """A point drawn from the ball: uniform in L∞; in L2 of uniform direction and uniform distance."""
    if ball == "linf":
        drawn = torch.empty_like(victim.start).uniform_(-epsilon, epsilon, generator=generator)
    else:
        direction = victim.kept(noise_like(victim.start, generator))
        rows = (len(direction), *[1] * (direction.dim() - 1))
        distance = torch.rand(rows, generator=generator, dtype=direction.dtype, device=direction.device)
        drawn, _ = scaled(direction, epsilon * distance, norm(direction, "row"))
    return victim.projected(victim.start + drawn, epsilon, ball)


def _step(gradient: Tensor, size: float, ball: str) -> Tensor:
    if ball == "linf":
        return sign_step(gradient, size)[0]
    return scaled(gradient, size, norm(gradient, "row"))[0]
