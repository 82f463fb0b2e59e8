"""Perturbations: a gradient's direction, scaled to epsilon and masked at random."""

import torch
from torch import Tensor


def draw_mask(like: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    """Draws which elements are attacked: independent Bernoulli(p) of zeros and ones, shaped as ``like``.

    The mask is not rescaled, so that E‖mask ∘ r‖² = p‖r‖² (DropAttack, Algorithm 1).
    """
    return torch.empty_like(like).bernoulli_(p, generator=generator)


def ascent(direction: Tensor, epsilon: float, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Perturbation that raises the loss: ``mask ∘ epsilon · g / ‖g‖₂`` (DropAttack, eq. 6 and Algorithm 1).

    Args:
        direction: Gradient g of the attacked tensor, any shape.
        epsilon: L2 norm before masking.
        mask: Zeros and ones, shaped as ``direction``.

    Returns:
        The perturbation, and a 0-dimensional tensor that is 1 where it was skipped: a gradient that is
        zero or not finite has no direction, and gives a perturbation of zeros. Neither makes the host
        wait for the device.
    """
    norm = torch.linalg.vector_norm(direction)
    usable = torch.isfinite(norm) & (norm > 0)
    perturbation = torch.where(usable, direction * (epsilon / norm) * mask, 0.0)
    return perturbation, (~usable).to(norm.dtype)
