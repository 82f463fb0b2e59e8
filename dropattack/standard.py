"""Standard training: one pass, one update. The baseline of every comparison."""

import torch
from torch import nn

from dropattack.method import Batch, Method, StepResult, register
from dropattack.settings import Settings


@register
class Standard(Method[Settings]):
    """Plain gradient descent on the clean loss."""

    name = "standard"
    summary = "Plain training, no attack."

    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.step`."""
        optimizer.zero_grad(set_to_none=True)
        loss, outputs = self.forward_backward(model, *batch)
        self.update(model, optimizer)
        return StepResult(loss, outputs)
