"""DropAttack the way its authors' notebooks go about it, for comparison of cost and of nothing else.

Written anew from a description of their structure: every pass keeps its graph, whose backward runs once for
the direction and once more, all together, for the update; the mask is drawn by numpy over the whole tensor;
and weights are perturbed behind autograd's back, which makes gradients wrong where a graph still needs them.
Never train with it.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack import Batch


def authors_step(
    model: nn.Module,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    hidden: nn.Parameter,
    epsilon: float,
    p: float,
    k: int,
) -> Callable[[], None]:
    """A step that attacks the input, or for text the embedding matrix, and then one hidden weight."""
    inputs, labels = batch
    pixels = isinstance(inputs, Tensor)

    def forward(attacked: Tensor | None = None) -> Tensor:
        if isinstance(inputs, Tensor):
            outputs = model(inputs if attacked is None else attacked)
        else:
            outputs = model(*inputs)
        return F.cross_entropy(outputs, labels)

    def perturbation(gradient: Tensor) -> Tensor:
        mask = torch.from_numpy(np.random.binomial(1, p, size=tuple(gradient.shape)))
        attack: Tensor = epsilon * gradient / torch.norm(gradient) * mask.to(gradient.dtype)
        return attack

    def phase(target: Tensor) -> Tensor:
        """K attacked passes over one tensor; their losses, with graphs, are summed."""
        backup = target.data.clone()
        losses = torch.zeros(())
        for _ in range(k):
            assert target.grad is not None
            target.data.add_(perturbation(target.grad))
            loss = forward(target if pixels and target is not hidden else None) / k
            loss.backward(retain_graph=True)
            losses = losses + loss
        target.data = backup
        return losses

    def step() -> None:
        first: Tensor
        if isinstance(inputs, Tensor):
            first = inputs.clone().requires_grad_()
        else:
            first = next(m for m in model.modules() if isinstance(m, nn.Embedding)).weight
        optimizer.zero_grad()
        total = forward(first if pixels else None)
        total.backward(retain_graph=True)
        clean = {id(q): q.grad.clone() for q in model.parameters() if q.grad is not None}
        total = total + phase(first)
        for parameter in model.parameters():
            parameter.grad = clean[id(parameter)]
        total = total + phase(hidden)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    return step
