"""DropAttack-K: masked perturbations of the input and of hidden weights.

Source: "DropAttack: A Masked Weight Adversarial Training Method to Improve Generalization of Neural
Networks", Algorithms 1 and 2, equations 5-7. Algorithm 2 cannot be run as printed; the reading here draws
one mask per step, lets each perturbation replace the one before, takes as its direction the running sum of
gradients, and weighs each of K adversarial gradients by 1/K beside the clean gradient.
"""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from dropattack.masked_settings import RANDOM_DIRECTION, DropAttackSettings
from dropattack.method import Batch, Inputs, Method, StepResult
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import draw_mask, granularity, joint_norm, noise_like, norm, scaled
from dropattack.registry import register
from dropattack.surfaces import Target, attached
from dropattack.targets import find_targets


@register
class DropAttack(Method[DropAttackSettings]):
    """Masked adversarial training of inputs and weights with K ascent steps.

    Every attacked pass is propagated back before the next one begins: one graph is alive at a time, and
    beside the model's gradients only the attacked tensors, directions, masks and perturbations are kept.
    """

    name = "dropattack"
    summary = "DropAttack-K: masked attacks on input and weights."
    source = "DropAttack, Algorithms 1 and 2, equations 5-7."
    cost = "1 + TK for T groups of targets"
    settings_type = DropAttackSettings

    def step(self, model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.step`; the log also holds ``relative_size``, the mean ‖M∘r‖ / ‖θ‖ over targets."""
        settings = self.settings
        if settings.plain:
            return self.plain_step(model, batch, optimizer)
        inputs, labels = batch
        optimizer.zero_grad(set_to_none=True)
        names = [name for group in settings.groups for name in group]
        targets = find_targets(model, names, self.task, tokens=settings.text_input == "tokens")
        total = settings.clean_weight + len(settings.groups) if settings.combine == "mean" else 1.0
        with attached(targets):
            loss, outputs, gradients = self.gradients(
                model, inputs, labels, targets, settings.clean_weight / total
            )
            known = iter(zip(targets, gradients, strict=True))
            attacks = [
                _Attack([next(known) for _ in group], settings, self.task.generator)
                for group in settings.groups
            ]
            with frozen_batch_statistics(model) if settings.batch_norm == "frozen" else nullcontext():
                for attack in attacks:
                    self._run(attack, model, inputs, labels, 1 / (settings.k * total))
        log = {
            "skipped": torch.stack([share for attack in attacks for share in attack.skipped]).mean(),
            "relative_size": torch.stack([size for a in attacks for size in a.relative_sizes()]).mean(),
        }
        return StepResult(loss, outputs, log | {"skipped_updates": self.update(optimizer)})

    def _run(
        self, attack: "_Attack", model: nn.Module, inputs: Inputs, labels: Tensor, weight: float
    ) -> None:
        """Adds ``weight`` times the gradient of each of K attacked passes to every ``.grad``."""
        for remaining in reversed(range(self.settings.k)):
            attack.apply()
            if remaining:
                _, _, gradients = self.gradients(model, inputs, labels, attack.targets, weight)
                attack.ascend(gradients)
            else:
                self.forward_backward(model, inputs, labels, weight)
        attack.end()


class _Attack:
    """The perturbations of one group of targets through the K ascent steps of one batch.

    Args:
        aims: The targets, with their clean gradients.
        settings: DropAttack's.
        generator: Source of masks and noise.

    Attributes:
        targets: The group.
        skipped: For each perturbation made so far, the share left out for want of a direction.
    """

    def __init__(
        self,
        aims: Sequence[tuple[Target, Tensor | None]],
        settings: DropAttackSettings,
        generator: torch.Generator | None,
    ) -> None:
        self.targets = [target for target, _ in aims]
        self.skipped: list[Tensor] = []
        self._settings = settings
        self._generator = generator
        gradients = _required(self.targets, [gradient for _, gradient in aims])
        p = settings.attack_p
        self._masks = [draw_mask(g, p, settings.mask, generator) for g in gradients]
        if settings.rescale:
            self._masks = [mask.div_(p) for mask in self._masks]
        sums_up = settings.k > 1 and settings.direction == "running-sum"
        self._directions = [g.clone() for g in gradients] if sums_up else None
        self._values = [target.value for target in self.targets]
        self._sizes = self._declared_sizes()
        self._perturbations = self._perturb(gradients)

    def apply(self) -> None:
        """Puts the current perturbations in place."""
        for target, perturbation in zip(self.targets, self._perturbations, strict=True):
            target.shift(perturbation)

    def ascend(self, found: Sequence[Tensor | None]) -> None:
        """Makes the next perturbations from the gradients of an attacked pass."""
        gradients = _required(self.targets, found)
        if self._directions is not None:
            torch._foreach_add_(self._directions, gradients, alpha=1 / self._settings.k)
            gradients = self._directions
        fresh = self._perturb(gradients)
        if self._settings.step_mode == "accumulate":
            torch._foreach_add_(fresh, self._perturbations)
        self._perturbations = fresh

    def end(self) -> None:
        """Restores the targets."""
        for target in self.targets:
            target.restore()

    def relative_sizes(self) -> list[Tensor]:
        """‖M∘r‖ / ‖θ‖ of each target for the last perturbation; 0 where a target is itself zero."""
        pairs = zip(self._perturbations, self._values, strict=True)
        return [(norm(perturbation) / norm(value)).nan_to_num(0, 0) for perturbation, value in pairs]

    def _perturb(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        settings = self._settings
        if settings.control == RANDOM_DIRECTION:
            gradients = [noise_like(gradient, self._generator) for gradient in gradients]
        perturbations = []
        for gradient, mask, size, length in zip(
            gradients, self._masks, self._sizes, self._lengths(gradients), strict=True
        ):
            perturbation, share = scaled(gradient, size, length)
            perturbations.append(perturbation.mul_(mask))
            self.skipped.append(share)
        return perturbations

    def _declared_sizes(self) -> Sequence[float | Tensor]:
        """Norm of each perturbation before masking."""
        epsilons = [self._settings.epsilon_of(target.name) for target in self.targets]
        if self._settings.epsilon_scale == "absolute":
            return epsilons
        return [e * length for e, length in zip(epsilons, self._lengths(self._values), strict=True)]

    def _lengths(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The norm that the scope asks for, of one tensor for each target."""
        scope = self._settings.norm
        if scope == "joint":
            return [joint_norm(tensors)] * len(tensors)
        return [
            norm(t, granularity(scope, target, t)) for target, t in zip(self.targets, tensors, strict=True)
        ]


def _required(targets: Sequence[Target], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    found = [gradient for gradient in gradients if gradient is not None]
    if len(found) < len(targets):
        raise next(t for t, g in zip(targets, gradients, strict=True) if g is None).unused()
    return found
