"""DropAttack-K: masked perturbations of the input and of hidden weights.

Source: "DropAttack: A Masked Weight Adversarial Training Method to Improve Generalization of Neural
Networks", Algorithms 1 and 2, equations 5-7. Algorithm 2 cannot be run as printed; the reading here draws
one mask per step, lets each perturbation replace the one before, takes as its direction the running sum of
gradients, and weighs each of K adversarial gradients by 1/K beside the clean gradient.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack.method import Method
from dropattack.methods.dropattack_settings import RANDOM_DIRECTION, DropAttackSettings
from dropattack.methods.standard import Standard
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import draw_mask, granularity, joint_norm, noise_like, norm, scaled
from dropattack.registry import register
from dropattack.settings import Settings
from dropattack.step_result import StepResult
from dropattack.targets.names import find_targets
from dropattack.targets.target import Target, attached
from dropattack.task import Arguments, Batch, Labels, Task


@register
class DropAttack(Method[DropAttackSettings]):
    """Masked adversarial training of inputs and weights with K ascent steps.

    Every attacked pass is propagated back before the next one begins: one graph is alive at a time, and
    beside the model's gradients only the attacked tensors, directions, masks and perturbations are kept.
    """

    name = "dropattack"
    summary = "DropAttack-K: masked attacks on input and weights."
    equation = (
        "c ∇L(θ) + Σ_groups 1/K Σ_k g_k, g_k = ∇L(θ + r_k), k = 1 … K, c = clean_weight; "
        "r_k = M ∘ ε d_k/‖d_k‖, M ~ Bernoulli(p), d_k = ∇L(θ) + 1/K Σ_{i<k} g_i"
    )
    source = "DropAttack, Algorithms 1 and 2, equations 5-7."
    cost = "1 + TK for T groups of targets"
    settings_type = DropAttackSettings

    def __init__(self, settings: DropAttackSettings, task: Task) -> None:
        super().__init__(settings, task)
        standard = settings.standard
        self._standard = None if standard is None else Standard(standard, task)

    @classmethod
    @override
    def canonical(cls, settings: DropAttackSettings, words: bool) -> tuple[str, Settings]:
        """Standard training where nothing is attacked; see `DropAttackSettings.canonical`."""
        if settings.standard is not None:
            return Standard.canonical(settings.standard, words)
        return cls.name, settings.canonical(words)

    @override
    def begin_epoch(self, progress: float) -> None:
        if self._standard is not None:
            self._standard.begin_epoch(progress)

    @classmethod
    @override
    def may_be_left(cls, settings: DropAttackSettings) -> bool:
        """See `Standard.may_be_left`, of which trials with nothing to attack are."""
        return settings.standard is None or Standard.may_be_left(settings.standard)

    @override
    def step(self, model: nn.Module, batch: Any, optimizer: torch.optim.Optimizer) -> StepResult:
        """See `Method.step`; where nothing can be attacked, one of standard training."""
        return self.step_on(model, [batch], optimizer)

    @override
    def step_on(
        self, model: nn.Module, batches: Sequence[Any], optimizer: torch.optim.Optimizer
    ) -> StepResult:
        """See `Method.step_on`, and `step`."""
        if self._standard is not None:
            return self._by_standard(lambda standard: standard.step_on(model, batches, optimizer))
        if len(batches) == 1:
            return super().step(model, batches[0], optimizer)
        return super().step_on(model, batches, optimizer)

    @override
    def accumulate(self, model: nn.Module, batch: Any, scale: float | Tensor = 1.0) -> StepResult:
        """See `Gathering.accumulate`; where nothing can be attacked, that of standard training."""
        if self._standard is not None:
            return self._by_standard(lambda standard: standard.accumulate(model, batch, scale))
        return super().accumulate(model, batch, scale)

    @override
    def deferred(self, model: nn.Module, batch: Any, scale: Tensor | None = None) -> StepResult:
        """See `Gathering.deferred`, and `accumulate`."""
        if self._standard is not None:
            return self._by_standard(lambda standard: standard.deferred(model, batch, scale))
        return super().deferred(model, batch, scale)

    def _by_standard(self, take: Callable[[Standard], StepResult]) -> StepResult:
        """Takes this step as standard training does."""
        assert self._standard is not None
        self._standard.until, self._standard.steps = self.until, self.steps
        seen = take(self._standard)
        self.steps = self._standard.steps
        return seen

    @classmethod
    @override
    def accumulates(cls, settings: DropAttackSettings) -> bool:
        """See `Method.accumulates`; where nothing can be attacked, whether standard training does."""
        return settings.standard is None or Standard.accumulates(settings.standard)

    @override
    def gather(self, model: nn.Module, batch: Batch) -> StepResult:
        """See `Method.gather`; the log also holds ``relative_size``, the mean ‖M∘r‖ / ‖θ‖ over targets."""
        settings = self.settings
        inputs, labels = batch
        names = [name for group in settings.groups for name in group]
        tokens = settings.text_input == "tokens"
        targets = find_targets(model, names, self.task, tokens, inputs)
        total = settings.clean_weight + len(settings.groups) if settings.combine == "mean" else 1.0
        with attached(targets):
            loss, outputs, gradients = self.gradients(
                model, inputs, labels, targets, settings.clean_weight / total
            )
            known = iter(zip(targets, gradients, strict=True))
            attacks = [self._attack([next(known) for _ in group]) for group in settings.groups]
            with frozen_batch_statistics(model) if settings.batch_norm == "frozen" else nullcontext():
                for group, attack in attacks:
                    self._run(group, attack, model, inputs, labels, 1 / (settings.k * total))
        log = {
            "skipped": torch.stack([share for _, attack in attacks for share in attack.skipped]).mean(),
            "relative_size": torch.stack([size for _, a in attacks for size in a.relative_sizes()]).mean(),
        }
        return StepResult(loss, outputs, log)

    def _attack(self, aims: Sequence[tuple[Target, Tensor | None]]) -> "tuple[Sequence[Target], Ascent]":
        """A group of targets, and the attack on them that starts from their clean gradients."""
        group = [target for target, _ in aims]
        numbers = Numbers(self.settings, group, self.task.generator)
        gradients = _required(group, [gradient for _, gradient in aims])
        return group, Ascent([target.value for target in group], gradients, self.settings, numbers)

    def _run(
        self,
        group: Sequence[Target],
        attack: "Ascent",
        model: nn.Module,
        inputs: Arguments,
        labels: Labels,
        weight: float,
    ) -> None:
        """Adds ``weight`` times the gradient of each of K attacked passes to every ``.grad``."""
        for remaining in reversed(range(self.settings.k)):
            for target, perturbation in zip(group, attack.perturbations, strict=True):
                target.shift(perturbation)
            if remaining:
                _, _, gradients = self.gradients(model, inputs, labels, group, weight)
                attack.ascend(_required(group, gradients))
            else:
                self.forward_backward(model, inputs, labels, weight)
        for target in group:
            target.restore()


class Numbers:
    """The numbers of one trial: ε, p, random draws, and norms over its tensors.

    An attack takes all of them from here, so that the same attack runs on the stacked tensors of many trials.

    Args:
        settings: DropAttack's.
        targets: What is attacked; of each its name, and whether its value's first dimension counts examples.
        generator: Source of masks and noise.
    """

    def __init__(
        self,
        settings: DropAttackSettings,
        targets: Sequence[Target],
        generator: torch.Generator | None,
    ) -> None:
        self._settings, self._targets, self._generator = settings, targets, generator

    def epsilons(self, like: Sequence[Tensor]) -> Sequence[float | Tensor]:
        """ε of each target, in a form that broadcasts against its tensor in ``like``."""
        return [self._settings.epsilon_of(target.name) for target in self._targets]

    def p(self, like: Tensor) -> float | Tensor:
        """The probability of being attacked, in a form that broadcasts against ``like``."""
        return self._settings.attack_p

    def masks(self, like: Sequence[Tensor]) -> list[Tensor]:
        """A mask for each target; see `draw_mask`."""
        p, by = self._settings.attack_p, self._settings.mask
        return [draw_mask(tensor, p, by, self._generator) for tensor in like]

    def noise(self, like: Sequence[Tensor]) -> list[Tensor]:
        """Standard normal noise for each target, zero where nothing may be attacked."""
        pairs = zip(like, self._targets, strict=True)
        return [target.kept(noise_like(tensor, self._generator)) for tensor, target in pairs]

    def norm(self, tensor: Tensor) -> Tensor:
        """L2 norm of all of a trial's elements."""
        return norm(tensor)

    def lengths(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The norm that the scope asks for, of one tensor for each target."""
        scope = self._settings.norm
        if scope == "joint":
            return [joint_norm(tensors)] * len(tensors)
        kinds = zip(tensors, self._targets, strict=True)
        return [norm(tensor, granularity(scope, target.batched, tensor)) for tensor, target in kinds]

    def scaled(self, direction: Tensor, size: float | Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """See `perturbation.scaled`; the share is a trial's."""
        return scaled(direction, size, length)


class Ascent:
    """The perturbations of one group of targets through the K ascent steps of one batch.

    Args:
        values: Of the targets, unperturbed.
        gradients: Clean ones, for each target.
        settings: DropAttack's.
        numbers: ε, p, draws and norms.

    Attributes:
        perturbations: The current ones, for each target.
        skipped: For each perturbation made so far, the share left out because it had no direction.
    """

    def __init__(
        self,
        values: Sequence[Tensor],
        gradients: Sequence[Tensor],
        settings: DropAttackSettings,
        numbers: Numbers,
    ) -> None:
        self.skipped: list[Tensor] = []
        self._settings, self._numbers, self._values = settings, numbers, values
        self._masks = numbers.masks(gradients)
        if settings.rescale:
            self._masks = [mask.div_(numbers.p(mask)) for mask in self._masks]
        sums_up = settings.k > 1 and settings.direction == "running-sum"
        self._directions = [g.clone() for g in gradients] if sums_up else None
        self._sizes = self._declared_sizes()
        self.perturbations = self._perturb(gradients)

    def ascend(self, gradients: list[Tensor]) -> None:
        """Makes the next perturbations from the gradients of an attacked pass."""
        if self._directions is not None:
            torch._foreach_add_(self._directions, gradients, alpha=1 / self._settings.k)
            gradients = self._directions
        fresh = self._perturb(gradients)
        if self._settings.step_mode == "accumulate":
            torch._foreach_add_(fresh, self.perturbations)
        self.perturbations = fresh

    def relative_sizes(self) -> list[Tensor]:
        """‖M∘r‖ / ‖θ‖ of each target for the last perturbation; 0 where a target is itself zero."""
        norm, pairs = self._numbers.norm, zip(self.perturbations, self._values, strict=True)
        return [(norm(perturbation) / norm(value)).nan_to_num(0, 0) for perturbation, value in pairs]

    def _perturb(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        if self._settings.control == RANDOM_DIRECTION:
            gradients = self._numbers.noise(gradients)
        perturbations = []
        for gradient, mask, size, length in zip(
            gradients, self._masks, self._sizes, self._numbers.lengths(gradients), strict=True
        ):
            perturbation, share = self._numbers.scaled(gradient, size, length)
            perturbations.append(perturbation.mul_(mask))
            self.skipped.append(share)
        return perturbations

    def _declared_sizes(self) -> Sequence[float | Tensor]:
        """Norm of each perturbation before masking."""
        epsilons = self._numbers.epsilons(self._values)
        if self._settings.epsilon_scale == "absolute":
            return epsilons
        return [e * length for e, length in zip(epsilons, self._numbers.lengths(self._values), strict=True)]


def _required(targets: Sequence[Target], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    found = [gradient for gradient in gradients if gradient is not None]
    if len(found) < len(targets):
        raise next(t for t, g in zip(targets, gradients, strict=True) if g is None).unused()
    return found
