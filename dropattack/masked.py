"""DropAttack-K: masked perturbations of the input and of hidden weights.

Source: "DropAttack: A Masked Weight Adversarial Training Method to Improve Generalization of Neural
Networks", Algorithms 1 and 2, equations 5-7. Algorithm 2 cannot be run as printed; the reading here draws
one mask per step, lets each perturbation replace the one before, takes as its direction the running sum of
gradients, and weighs each of K adversarial gradients by 1/K beside the clean gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dropattack.method import Batch, Inputs, Method, StepResult, register
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import ascent, draw_mask
from dropattack.settings import Settings, setting
from dropattack.targets import INPUT, InputTarget, Target, canonical_targets, parameter_target, parse_targets


@dataclass(frozen=True, kw_only=True)
class DropAttackSettings(Settings):
    """Hyperparameters of DropAttack; the defaults are the paper's most frequent ones."""

    targets: str = setting(INPUT, "Attacked tensors, such as input+conv1.w.")
    epsilon: float = setting(5.0, "Perturbation size ε, an L2 norm before masking (eq. 6).", low=0)
    p: float = setting(0.5, "Probability of each element being attacked (Algorithm 1).", low=0, high=1)
    k: int = setting(1, "Ascent steps K (Algorithm 2).", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "targets", canonical_targets(self.targets))

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Targets attacked together: the input, then all hidden ones (two separate terms in eq. 5)."""
        names = parse_targets(self.targets)
        hidden = tuple(name for name in names if name != INPUT)
        return [group for group in ((INPUT,) if INPUT in names else (), hidden) if group]

    @property
    def passes(self) -> int:
        """1 + TK for T groups; with p = 0 nothing can be attacked and the step is a standard one."""
        return 1 if self.p == 0 else 1 + len(self.groups) * self.k


@register
class DropAttack(Method[DropAttackSettings]):
    """Masked adversarial training of inputs and weights with K ascent steps."""

    name = "dropattack"
    summary = "DropAttack-K: masked attacks on input and weights."
    settings_type = DropAttackSettings

    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.step`."""
        inputs, labels = batch
        optimizer.zero_grad(set_to_none=True)
        groups = self._groups(model, inputs) if self.settings.p > 0 else []
        loss, outputs = self.forward_backward(model, _inputs(groups, inputs), labels)
        directions = [[target.gradient().clone() for target in group] for group in groups]
        skipped = loss.new_zeros(())
        with frozen_batch_statistics(model):
            for group, direction in zip(groups, directions, strict=True):
                skipped += self._attack(model, inputs, labels, group, direction)
        self.update(model, optimizer)
        return StepResult(loss, outputs, {"skipped": skipped})

    def _groups(self, model: nn.Module, inputs: Inputs) -> list[list[Target]]:
        pixels = INPUT not in self.task.names
        return [
            [
                InputTarget(inputs) if name == INPUT and pixels else parameter_target(model, name, self.task)
                for name in group
            ]
            for group in self.settings.groups
        ]

    def _attack(
        self,
        model: nn.Module,
        inputs: Inputs,
        labels: Tensor,
        group: Sequence[Target],
        directions: list[Tensor],
    ) -> Tensor:
        """Adds the mean gradient of K attacked passes to every ``.grad``; returns how many were skipped."""
        epsilon, p, k = self.settings.epsilon, self.settings.p, self.settings.k
        masks = [draw_mask(direction, p, self.task.generator) for direction in directions]
        skipped = directions[0].new_zeros(())
        try:
            for t in range(k):
                for target, direction, mask in zip(group, directions, masks, strict=True):
                    perturbation, was_skipped = ascent(direction, epsilon, mask)
                    target.shift(perturbation)
                    skipped += was_skipped
                ascends_again = t < k - 1
                if ascends_again:
                    for target in group:
                        target.isolate()
                self.forward_backward(model, _inputs([group], inputs), labels, weight=1 / k)
                if ascends_again:
                    for target, direction in zip(group, directions, strict=True):
                        direction.add_(target.gradient())
                        target.merge()
        finally:
            for target in group:
                target.restore()
        return skipped


def _inputs(groups: Sequence[Sequence[Target]], inputs: Inputs) -> Inputs:
    """The batch as the attacked input holds it, or as it came where the input is not attacked."""
    for group in groups:
        for target in group:
            if isinstance(target, InputTarget):
                return target.inputs
    return inputs
