"""Gradients of several batches, added up beside those that a model holds."""

import torch
from torch import Tensor


class GatheredGradients:
    """The weighted sum of what ``.grad`` held at some moments.

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
        """Makes the sums the gradients."""
        for parameter, held in zip(self._parameters, self._sums, strict=True):
            parameter.grad = held
