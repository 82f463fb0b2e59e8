"""The gradient by which an attack raises the divergence between clean and attacked predictions."""

from typing import Any

from torch import Tensor, nn

from dropattack.distributions import divergence, log_probabilities
from dropattack.method import Method
from dropattack.targets.target import Target, watched
from dropattack.task import Batch


def divergence_gradient(
    method: Method[Any], model: nn.Module, batch: Batch, clean: Tensor, target: Target
) -> Tensor:
    """The gradient of KL(clean ‖ attacked) by an attached target, in one pass that changes no ``.grad``.

    Args:
        method: Runs the pass.
        model: See `Method.step`.
        batch: Arranged.
        clean: Logarithms of probabilities, ``[…, classes]``, without a graph.
        target: Shifted to where the gradient is taken.

    Raises:
        UsageError: The model does not use the target, or its outputs are no distributions.
    """
    with watched([target]):
        _, outputs = method.forward(model, *batch)
        raised = divergence(clean, log_probabilities(outputs, batch, method.task), batch)
        variable = target.variable
        (gradient,) = [None] if variable is None else method.differentiated(raised, [variable])
        if gradient is None:
            raise target.unused()
        return target.select(gradient)
