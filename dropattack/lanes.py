"""Methods for many trials at once: each trial a lane of stacked tensors, with numbers and draws of its own.

A lane does what the trial's method does alone. Trials may share a stack where their settings differ in
numbers only, as `structure` says; passes, update and attack are then those of the whole stack, and every
random number comes from the lane's own generator in the order in which the trial alone would draw it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from dropattack.errors import UsageError
from dropattack.masked import Attack, DropAttack, Numbers
from dropattack.masked_settings import RANDOM_DIRECTION, DropAttackSettings
from dropattack.method import Inputs, Method, Task
from dropattack.modes import frozen_batch_statistics
from dropattack.penalties import L1, L2
from dropattack.registry import method_named
from dropattack.settings import Settings
from dropattack.stack import PIXELS, Passes, Stack
from dropattack.stacked_adam import StackedAdam
from dropattack.standard import Standard
from dropattack.targets import INPUT, parse_targets

Log = dict[str, Tensor]


@dataclass(frozen=True)
class LanesResult:
    """What one step of all lanes saw; see `StepResult`.

    Attributes:
        loss: ``[lanes]``.
        outputs: ``[lanes, batch, …]``, detached.
        log: By name, ``[lanes]``.
    """

    loss: Tensor
    outputs: Any
    log: Mapping[str, Tensor]


def structure(name: str, hyperparameters: Mapping[str, Any]) -> Hashable:
    """What trials must have in common to be lanes of one stack, beside the model, the data and the training.

    Args:
        name: Of the method.
        hyperparameters: The method's.

    Raises:
        UsageError: This method, or one of these options, cannot be a lane.

    Example:
        >>> one, other = {"epsilon": 1.0, "p": 0.3}, {"epsilon": 5.0, "control": "p-one"}
        >>> structure("dropattack", one) == structure("dropattack", other)
        True
    """
    settings = method_named(name).settings_type.from_dict(hyperparameters)
    return _rule(name, settings).structure(settings)


class LaneMethod:
    """A method for all lanes of a stack; as it stands, one of a single clean pass.

    Args:
        methods: Of each lane, made for the trial alone; with one `structure`.

    Attributes:
        per_lane: Settings that are a number of each lane.
        tasks: Of each lane.
        settings: Of each lane.
    """

    per_lane: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, methods: Sequence[Method[Any]]) -> None:
        self.tasks: list[Task] = [method.task for method in methods]
        self.settings: list[Any] = [method.settings for method in methods]
        self._numbers: dict[Hashable, Tensor] = {}

    @classmethod
    def structure(cls, settings: Any) -> Hashable:
        """See the function of this name."""
        rest = {name: value for name, value in settings.to_dict().items() if name not in cls.per_lane}
        return (cls.__name__, *sorted(rest.items()))

    @classmethod
    def of(cls, methods: Sequence[Method[Any]]) -> "LaneMethod":
        """The lanes of these methods.

        Raises:
            UsageError: One of them cannot be a lane, or they do not have one structure.
        """
        kinds = {structure(method.name, method.settings.to_dict()) for method in methods}
        if len(kinds) > 1:
            raise UsageError("the lanes of one stack may differ in numbers only; group them by `structure`")
        return _rule(methods[0].name, methods[0].settings)(methods)

    def step(self, stack: Stack, inputs: Inputs, labels: Tensor, optimizer: StackedAdam) -> LanesResult:
        """Trains every lane on its own batch once.

        A lane whose gradient is not finite is updated with zeros, as it would be alone; others do not notice.

        Args:
            stack: The models, in training mode.
            inputs: ``[lanes, batch, …]`` each.
            labels: ``[lanes, batch]``.
            optimizer: Updates the stack.
        """
        passes = Passes(stack, inputs, labels, self.tasks[0])
        loss, outputs, log = self.gather(stack, passes)
        gradients = self.adjusted(stack, passes.gradients())
        norm = _norms(list(gradients.values()))
        broken = ~torch.isfinite(norm)
        optimizer.step({n: g.masked_fill(_per_lane(broken, g), 0) for n, g in gradients.items()})
        return LanesResult(loss, outputs, log | {"skipped_updates": broken.to(norm.dtype)})

    def gather(self, stack: Stack, passes: Passes) -> tuple[Tensor, Any, Log]:
        """Runs the passes of a step; gives the losses ``[lanes]`` and outputs of the first, and the log."""
        loss, outputs, _ = passes.run({}, 1)
        return loss, outputs, {}

    def adjusted(self, stack: Stack, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The gradients that the optimizer gets."""
        return gradients

    def keep(self, lanes: Sequence[int]) -> None:
        """Compacts to these lanes, in this order."""
        self.tasks = [self.tasks[lane] for lane in lanes]
        self.settings = [self.settings[lane] for lane in lanes]
        self._numbers.clear()

    def numbers(self, name: str, like: Tensor) -> Tensor:
        """A setting of every lane, on the device of ``like`` and broadcasting against it."""
        key = name, like.device, like.dtype
        if key not in self._numbers:
            values = [getattr(settings, name) for settings in self.settings]
            self._numbers[key] = torch.tensor(values, dtype=like.dtype, device=like.device)
        return _per_lane(self._numbers[key], like)


class PlainLanes(LaneMethod):
    """Standard training, and DropAttack where it comes down to that."""

    @classmethod
    def structure(cls, settings: Any) -> Hashable:
        """See `LaneMethod.structure`."""
        return cls.__name__, settings.rounds


class PenaltyLanes(LaneMethod, ABC):
    """A penalty with its own strength in each lane."""

    per_lane = frozenset({"strength"})

    def adjusted(self, stack: Stack, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """See `LaneMethod.adjusted`."""
        return {
            name: gradient.addcmul(self.slope(value), self.numbers("strength", value))
            for value, (name, gradient) in zip(stack.parameters.values(), gradients.items(), strict=True)
        }

    @abstractmethod
    def slope(self, value: Tensor) -> Tensor:
        """The penalty's gradient for a strength of 1."""


class L1Lanes(PenaltyLanes):
    """Loss + λ Σ|θ|."""

    def slope(self, value: Tensor) -> Tensor:
        """sign(θ)."""
        return value.sign()


class L2Lanes(PenaltyLanes):
    """Loss + λ ‖θ‖²."""

    def slope(self, value: Tensor) -> Tensor:
        """2θ."""
        return 2 * value


class DropAttackLanes(LaneMethod):
    """DropAttack with ε, p and generator of its own in each lane."""

    per_lane = frozenset({"epsilon", "p"})

    @classmethod
    def structure(cls, settings: Any) -> Hashable:
        """See `LaneMethod.structure`; controls that only set ε or p may share a stack with attacks."""
        if INPUT in parse_targets(settings.targets):
            if settings.text_input == "tokens":
                raise UsageError("text_input tokens cannot be a lane; attack the matrix, or train it alone")
            if settings.norm == "row":
                raise UsageError("norm row of the input cannot be a lane; train it alone")
        rest = {n: v for n, v in settings.to_dict().items() if n not in {*cls.per_lane, "control"}}
        return (cls.__name__, settings.control == RANDOM_DIRECTION, *sorted(rest.items()))

    def gather(self, stack: Stack, passes: Passes) -> tuple[Tensor, Any, Log]:
        """See `LaneMethod.gather`; the steps are those of `DropAttack.step`."""
        settings: DropAttackSettings = self.settings[0]
        groups = [[self._parameter(name, passes) for name in group] for group in settings.groups]
        total = settings.clean_weight + len(groups) if settings.combine == "mean" else 1.0
        targets = [name for group in groups for name in group]
        loss, outputs, clean = passes.run({}, settings.clean_weight / total, targets)
        attacks = [self._attack(group, clean, passes) for group in groups]
        if settings.batch_norm == "frozen":
            with frozen_batch_statistics(stack.module):
                self._run(groups, attacks, passes, total)
        else:
            self._run(groups, attacks, passes, total)
        skipped = [share for attack in attacks for share in attack.skipped]
        sizes = [size.flatten() for attack in attacks for size in attack.relative_sizes()]
        return (
            loss,
            outputs,
            {
                "skipped": torch.stack(skipped).mean(0),
                "relative_size": torch.stack(sizes).mean(0),
            },
        )

    def _parameter(self, name: str, passes: Passes) -> str:
        """The name of a target among the passes' values."""
        found = self.tasks[0].names.get(name, PIXELS if name == INPUT else name)
        if found not in passes.values:
            raise UsageError(f"target {name!r} cannot be attacked in lanes; train it alone")
        return found

    def _attack(self, group: Sequence[str], clean: Mapping[str, Tensor], passes: Passes) -> Attack:
        shapes = [_shapes(name, passes) for name in group]
        numbers = LaneNumbers(self, [name == PIXELS for name in group], shapes)
        values = [passes.values[name] for name in group]
        return Attack(values, [clean[name] for name in group], self.settings[0], numbers)

    def _run(
        self, groups: Sequence[Sequence[str]], attacks: Sequence[Attack], passes: Passes, total: float
    ) -> None:
        k = self.settings[0].k
        for group, attack in zip(groups, attacks, strict=True):
            for remaining in reversed(range(k)):
                shifts = dict(zip(group, attack.perturbations, strict=True))
                _, _, found = passes.run(shifts, 1 / (k * total), group if remaining else ())
                if remaining:
                    attack.ascend([found[name] for name in group])


class LaneNumbers(Numbers):
    """Numbers of many trials, in tensors with a leading dimension of lanes.

    Args:
        lanes: ε, p and generators of each lane.
        batched: For each target, whether a lane's first dimension counts examples.
        shapes: For each target, the shape that each lane alone would have.
    """

    def __init__(
        self, lanes: LaneMethod, batched: Sequence[bool], shapes: Sequence[Sequence[Sequence[int]]]
    ) -> None:
        super().__init__(lanes.settings[0], batched, None)
        self._lanes, self._shapes = lanes, shapes

    def epsilon(self, like: Tensor) -> Tensor:
        """See `Numbers.epsilon`."""
        return self._lanes.numbers("attack_epsilon", like)

    def p(self, like: Tensor) -> Tensor:
        """See `Numbers.p`."""
        return self._lanes.numbers("attack_p", like)

    def masks(self, like: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.masks`."""
        drawn = {"element": None, "row": 1, "tensor": 0}[self._settings.mask]
        masks = []
        for tensor, shapes in zip(like, self._shapes, strict=True):
            cut = [[*s[:drawn], *[1] * (len(s) - len(s[:drawn]))] for s in shapes]
            # Of single precision for the same reason as in `draw_mask`.
            uniform = self._draws(tensor, cut, torch.Tensor.uniform_, torch.float32)
            masks.append(uniform.lt_(self.p(uniform)).to(tensor.dtype))
        return masks

    def noise(self, like: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.noise`."""
        return [
            self._draws(tensor, shapes, torch.Tensor.normal_, tensor.dtype)
            for tensor, shapes in zip(like, self._shapes, strict=True)
        ]

    def norm(self, tensor: Tensor) -> Tensor:
        """See `Numbers.norm`; ``[lanes, 1, …]``."""
        return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.dim())), keepdim=True)

    def lengths(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.lengths`."""
        scope = self._settings.norm
        if scope == "joint":
            joint = _norms(tensors)
            return [_per_lane(joint, tensor) for tensor in tensors]
        return [self._length(scope, *kind) for kind in zip(tensors, self._batched, strict=True)]

    def _length(self, scope: str, tensor: Tensor, batched: bool) -> Tensor:
        by_row = (scope == "row" and (batched or tensor.dim() > 2)) or (scope == "sample" and batched)
        if not by_row:
            return self.norm(tensor)
        if tensor.dim() == 2:
            return tensor.abs()
        return torch.linalg.vector_norm(tensor, dim=tuple(range(2, tensor.dim())), keepdim=True)

    def scaled(self, direction: Tensor, size: float | Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """See `perturbation.scaled`; the shares are ``[lanes]``."""
        factor = size / length
        useless = ~(torch.isfinite(factor) & torch.isfinite(length))
        shares = useless.to(length.dtype).flatten(1).mean(1)
        return (direction * factor).masked_fill_(useless, 0), shares

    def _draws(
        self,
        like: Tensor,
        shapes: Sequence[Sequence[int]],
        draw: Callable[..., Tensor],
        dtype: torch.dtype,
    ) -> Tensor:
        """Draws of each lane, zeros behind those of lanes that have fewer rows than others."""
        most = [max(sizes) for sizes in zip(*shapes, strict=True)]
        ragged = any(list(shape) != most for shape in shapes)
        make = torch.zeros if ragged else torch.empty
        drawn = make(len(shapes), *most, dtype=dtype, device=like.device)
        for lane, shape, task in zip(drawn, shapes, self._lanes.tasks, strict=True):
            draw(lane[: shape[0]] if ragged else lane, generator=task.generator)
        return drawn


def _shapes(name: str, passes: Passes) -> list[list[int]]:
    """The shape of a value for each lane alone: of an embedding, the rows that its batch looks up."""
    value = passes.values[name]
    if passes.lookups is not None and name == passes.embedding:
        return [[count, *value.shape[2:]] for count in passes.lookups.counts]
    return [list(value.shape[1:])] * len(value)


def _per_lane(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.dim() - 1))


def _norms(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm over all tensors together, ``[lanes]``."""
    each = [torch.linalg.vector_norm(tensor.flatten(1), dim=1) for tensor in tensors]
    return torch.linalg.vector_norm(torch.stack(each), dim=0)


_RULES: Mapping[str, type[LaneMethod]] = {
    Standard.name: PlainLanes,
    L1.name: L1Lanes,
    L2.name: L2Lanes,
    DropAttack.name: DropAttackLanes,
}


def _rule(name: str, settings: Settings) -> type[LaneMethod]:
    if isinstance(settings, DropAttackSettings) and settings.plain:
        return PlainLanes
    if name not in _RULES:
        raise UsageError(
            f"method {name!r} cannot be a lane (those that can: {', '.join(_RULES)}); train it alone"
        )
    return _RULES[name]
