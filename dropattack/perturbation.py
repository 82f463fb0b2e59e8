"""Perturbations: directions scaled to a size, masked at random, or held inside a ball."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Granularity = Literal["tensor", "row", "last"]


def granularity(scope: str, batched: bool, value: Tensor) -> Granularity:
    """The scope of a norm: the whole tensor, or each row of its first dimension.

    Args:
        scope: ``sample`` takes one norm for each example of the batch and one for each parameter; ``row``
            takes one for each example, and for each row of a parameter that has rows; any other scope takes
            one for each whole tensor.
        batched: Whether the first dimension counts examples.
        value: The tensor.
    """
    by_row = scope == "row" and (batched or value.dim() > 1)
    return "row" if by_row or (scope == "sample" and batched) else "tensor"


def norm(tensor: Tensor, by: Granularity = "tensor") -> Tensor:
    """L2 norm over the whole tensor, 0-dimensional, each row, ``[rows, 1, …]``, or the last dimension.

    Rows are summed up in double precision. The gradient of an example that a model is sure of is so small
    that its squares are zero in single precision; the example would seem to withstand every attack.
    """
    length: Tensor
    if by == "tensor":
        length = torch.linalg.vector_norm(tensor)
        return length
    if by == "row" and tensor.dim() == 1:
        return tensor.abs()
    dims = (-1,) if by == "last" else tuple(range(1, tensor.dim()))
    length = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True, dtype=torch.float64)
    return length.to(tensor.dtype)


def joint_norm(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm over all tensors together, 0-dimensional."""
    length: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))
    return length


def scaled(direction: Tensor, size: float | Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """``size · direction / length``: with the L2 norm as length, DropAttack's equation 6.

    Args:
        direction: Gradient or noise, any shape.
        size: Norm of the result; a number, or a tensor that broadcasts against ``length``.
        length: Norm of the direction, 0-dimensional or ``[rows, 1, …]``.

    Returns:
        The perturbation, a fresh tensor, and the share in [0, 1] of lengths that are zero or not finite. Such
        a gradient has no direction, and its perturbation is zero. The host does not wait for the device.
    """
    factor, useless = _factor(size, length)
    return zeroed(direction * factor, useless), useless.to(length.dtype).mean()


def scaled_together(directions: Sequence[Tensor], size: float) -> tuple[list[Tensor], Tensor]:
    """``size · direction / ‖directions‖``, with one L2 norm over all of them.

    Args:
        directions: Gradients or noise, at least one, any shapes.
        size: Joint norm of the results.

    Returns:
        The perturbations, fresh tensors, and the share left out: 0, or 1 if the norm is zero or not finite,
        and the perturbations are zero then.
    """
    length = joint_norm(directions)
    factor, useless = _factor(size, length)
    results = list(torch._foreach_mul(list(directions), factor))
    if not useless.is_cpu or useless:
        for result in results:
            result.masked_fill_(useless, 0)
    return results, useless.to(length.dtype)


def _factor(size: float | Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """``size / length``, and where it is of no use: at lengths that are zero or not finite."""
    factor = size / length
    return factor, ~(torch.isfinite(factor) & torch.isfinite(length))


def zeroed(tensor: Tensor, where: Tensor) -> Tensor:
    """Puts zeros, in place, where ``where`` (which broadcasts) is true.

    On a CPU it first checks whether ``where`` holds anywhere, which costs little; on a GPU it does not wait.
    """
    return tensor.masked_fill_(where, 0) if not where.is_cpu or where.any() else tensor


def draw_mask(like: Tensor, p: float, by: str, generator: torch.Generator | None) -> Tensor:
    """Draws what is attacked: independent Bernoulli(p) of zeros and ones (DropAttack, Algorithm 1).

    Args:
        like: Tensor to mask.
        p: Probability of a one.
        by: One draw for each ``element``, for each ``row`` of the first dimension, or for the ``tensor``.
        generator: Source of the draws.

    Returns:
        A mask that broadcasts against ``like``.
    """
    drawn = {"element": like.dim(), "row": 1, "tensor": 0}[by]
    shape = [*like.shape[:drawn], *[1] * (like.dim() - drawn)]
    # A third of the time of bernoulli_; in single precision, since bfloat16 would round p itself.
    uniform = torch.rand(shape, generator=generator, dtype=torch.float32, device=like.device)
    return uniform.lt_(p).to(like.dtype)


def noise_like(tensor: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise, shaped as ``tensor``; the same numbers however its elements lie in memory."""
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype, device=tensor.device)


def sign_step(gradient: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """``size · sign(gradient)``, and the share of elements left out because they are not finite.

    An element that is zero has a perturbation of zero, and does not count as left out.
    """
    if gradient.is_cpu and gradient.sum().isfinite():  # then every element is, at a fraction of the time
        return gradient.sign().mul_(size), gradient.new_zeros(())
    useless = ~torch.isfinite(gradient)
    return zeroed(gradient.sign().mul_(size), useless), useless.to(gradient.dtype).mean()


def projected(perturbation: Tensor, radius: float, by: Granularity | Literal["element"]) -> Tensor:
    """The nearest point of the L2 ball around zero, or with ``element`` of the L∞ ball."""
    if by == "element":
        return perturbation.clamp(-radius, radius)
    length = norm(perturbation, by)
    return perturbation * (radius / length.clamp(min=torch.finfo(length.dtype).tiny)).clamp(max=1)
