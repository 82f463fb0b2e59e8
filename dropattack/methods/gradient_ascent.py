"""An ascent on the size of the input's gradient, which Dropen's two methods share."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from dropattack.batches import size_of
from dropattack.method import Method
from dropattack.methods.balls import projected_step
from dropattack.settings import Settings
from dropattack.targets.activations import ActivationTarget
from dropattack.targets.target import watched
from dropattack.task import Arguments, Batch, Labels

S = TypeVar("S", bound=Settings)


class GradientAscent(Method[S]):
    """K steps of length ε/3 along the sign of the gradient of ‖∇ₓℓᵢ‖², each back into the ball of radius ε.

    It climbs the size of the gradient of each example's loss ℓᵢ, and not that loss.
    """

    second_order = True

    def ascended(
        self,
        model: nn.Module,
        target: ActivationTarget,
        inputs: Arguments,
        labels: Labels,
        radius: float,
        k: int,
        clamp: bool,
    ) -> tuple[Tensor, Tensor]:
        """The perturbation that K steps reach, and the share left out.

        Args:
            model: The model, with ``target`` attached.
            target: Its input.
            inputs: What is attacked.
            labels: Its labels.
            radius: ε of this step.
            k: Steps, at least 1.
            clamp: Whether attacked pixels are kept in [0, 1].
        """
        shares = []
        perturbation = None
        for _ in range(k):
            ascent = self._ascent(model, target, inputs, labels)
            perturbation, share = projected_step(target, perturbation, ascent, radius / 3, radius, "linf")
            shares.append(share)
            if clamp:
                perturbation = (target.value + perturbation).clamp_(0, 1).sub_(target.value)
            target.shift(perturbation)
        assert perturbation is not None
        return perturbation, torch.stack(shares).mean()

    def _ascent(
        self, model: nn.Module, target: ActivationTarget, inputs: Arguments, labels: Labels
    ) -> Tensor:
        """The gradient by x of mean‖∇ₓℓᵢ‖², zero where that does not depend on x."""
        _, _, gradient, variable = self.differentiated_loss(model, target, inputs, labels)
        value = mean_square(gradient)
        found = self.differentiated(value, [variable]) if value.requires_grad else [None]
        return torch.zeros_like(variable) if found[0] is None else target.select(found[0])

    def differentiated_loss(
        self, model: nn.Module, target: ActivationTarget, inputs: Arguments, labels: Labels
    ) -> tuple[Tensor, Any, Tensor, Tensor]:
        """Loss, outputs, the gradients ∇ₓℓᵢ of each example's own loss, with their graph, and x."""
        with watched([target]):
            loss, outputs = self.forward(model, inputs, labels)
            variable = target.variable
        if variable is None:
            raise target.unused()
        (gradient,) = self.differentiated(loss, [variable], create_graph=True)
        if gradient is None:
            raise target.unused()
        return loss, outputs, target.select(gradient) * size_of((inputs, labels)), variable


def of_each(size: int, function: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    """A batch of ``size`` examples with a function of each tensor that has a row for each of them."""
    found: Batch = tree_map_only(Tensor, lambda t: function(t) if t.dim() and len(t) == size else t, batch)
    return found


def mean_square(gradient: Tensor) -> Tensor:
    """Mean over the rows of the squared L2 norm, 0-dimensional, differentiable."""
    return gradient.flatten(1).square().sum(1).mean()
