"""Gradients of several batches, added up beside those that a model holds; and gradients inside of a loss."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from typing_extensions import override


class GatheredGradients:
    """A weighted sum of gradients, each read from ``.grad`` by `add`.

    Args:
        optimizer: Whose parameters count.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._sums: list[Tensor | None] = [None] * len(self._parameters)

    def add(self, weight: float) -> None:
        """Adds every ``.grad``, times a weight; one that is ``None`` counts as zeros."""
        for place, parameter in enumerate(self._parameters):
            if parameter.grad is not None:
                more, held = parameter.grad * weight, self._sums[place]
                self._sums[place] = more if held is None else held + more

    def put_back(self) -> None:
        """Writes the sums to ``.grad``."""
        for parameter, held in zip(self._parameters, self._sums, strict=True):
            parameter.grad = held


class GradientsBefore:
    """The gradients that a model has gathered so far, set aside for a while.

    Args:
        model: Every ``.grad`` of its parameters is ``None`` from now on.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._before = self.taken()

    def taken(self) -> list[Tensor | None]:
        """Removes the current gradients from ``.grad`` and returns them, one for each trained parameter."""
        found = [parameter.grad for parameter in self._parameters]
        for parameter in self._parameters:
            parameter.grad = None
        return found

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The trained parameters, in their order."""
        return self._parameters

    def put_back(self) -> None:
        """Puts the gradients back in place of those that are there now."""
        for parameter, before in zip(self._parameters, self._before, strict=True):
            parameter.grad = before

    @torch.no_grad()
    def add(self, gradients: Sequence[Tensor | None], factor: float | Tensor) -> None:
        """Puts them back and adds others times a factor to them, in place where they are dense."""
        self.put_back()
        for parameter, more in zip(self._parameters, gradients, strict=True):
            if more is None:
                continue
            scaled = more if isinstance(factor, float) and factor == 1 else more * factor
            if parameter.grad is None:
                parameter.grad = scaled
            elif scaled.is_sparse or parameter.grad.is_sparse:
                parameter.grad = parameter.grad + scaled
            else:
                parameter.grad.add_(scaled)


Shared = Callable[[Sequence[Tensor | None]], Sequence[Tensor | None]]


class _InLoss(torch.autograd.Function):
    """A loss with a gradient of its own."""

    @staticmethod
    @override
    def forward(
        ctx: Any, loss: Tensor, gradients: Sequence[Tensor | None], shared: Shared, *_: Tensor
    ) -> Tensor:
        ctx.gradients, ctx.shared = gradients, shared
        return loss.clone()

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [None if g is None else g * outer.to(g.dtype) for g in ctx.gradients]
        return None, None, None, *ctx.shared(gradients)


def in_loss(
    loss: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], shared: Shared
) -> Tensor:
    """A loss whose ``backward`` adds these gradients to the ``.grad`` of the parameters.

    Args:
        loss: 0-dimensional, without a graph.
        parameters: Leaves.
        gradients: One for each.
        shared: Applied to the gradients after the factor that ``backward`` brings; a mean over processes.
    """
    found: Tensor = _InLoss.apply(loss, gradients, shared, *parameters)  # type: ignore[no-untyped-call]  # torch's
    return found
