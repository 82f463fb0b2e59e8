"""DropAttack for many trials at once, by the same attack as for one."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from operator import attrgetter, methodcaller
from typing import Any

import torch
from torch import Tensor

from dropattack.errors import UsageError
from dropattack.lane_method import LaneMethod, Log, norms, per_lane
from dropattack.masked import Attack, Numbers
from dropattack.masked_settings import RANDOM_DIRECTION, DropAttackSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import granularity
from dropattack.stack import PIXELS, Passes, Stack
from dropattack.targets import INPUT, parse_targets


class DropAttackLanes(LaneMethod):
    """DropAttack with ε, p and generator of its own in each lane."""

    own = frozenset({"epsilon", "input_ratio", "p"})

    @classmethod
    def structure(cls, settings: Any) -> Hashable:
        """See `LaneMethod.structure`; controls that only set ε or p may share a stack with attacks."""
        if INPUT in parse_targets(settings.targets):
            if settings.text_input == "tokens":
                raise UsageError("text_input tokens cannot be a lane; attack the matrix, or train it alone")
            if settings.norm == "row":
                raise UsageError("norm row of the input cannot be a lane; train it alone")
        rest = {n: v for n, v in settings.to_dict().items() if n not in {*cls.own, "control"}}
        return (cls.__name__, settings.control == RANDOM_DIRECTION, *sorted(rest.items()))

    def gather(self, stack: Stack, passes: Passes) -> tuple[Tensor, Any, Log]:
        """See `LaneMethod.gather`; the steps are those of `DropAttack.step`."""
        settings: DropAttackSettings = self.settings[0]
        groups = [[self._aim(name, passes) for name in group] for group in settings.groups]
        total = settings.clean_weight + len(groups) if settings.combine == "mean" else 1.0
        targets = [aim.parameter for group in groups for aim in group]
        loss, outputs, clean = passes.run({}, settings.clean_weight / total, targets)
        attacks = [self._attack(group, clean, passes) for group in groups]
        frozen = settings.batch_norm == "frozen"
        with frozen_batch_statistics(stack.module) if frozen else nullcontext():
            for group, attack in zip(groups, attacks, strict=True):
                self._run(group, attack, passes, 1 / (settings.k * total))
        skipped = [share for attack in attacks for share in attack.skipped]
        sizes = [size.flatten() for attack in attacks for size in attack.relative_sizes()]
        log = {"skipped": torch.stack(skipped).mean(0), "relative_size": torch.stack(sizes).mean(0)}
        return loss, outputs, log

    def _aim(self, name: str, passes: Passes) -> "_Aim":
        key = self.tasks[0].names.get(name, PIXELS if name == INPUT else name)
        if key not in passes.values:
            raise UsageError(f"target {name!r} cannot be attacked in lanes; train it alone")
        shape = list(passes.values[key].shape)
        if passes.lookups is not None and key == passes.embedding:
            return _Aim(name, key, [[count, *shape[2:]] for count in passes.lookups.counts])
        return _Aim(name, key, [shape[1:]] * shape[0])

    def _attack(self, group: Sequence["_Aim"], clean: Mapping[str, Tensor], passes: Passes) -> Attack:
        values = [passes.values[aim.parameter] for aim in group]
        gradients = [clean[aim.parameter] for aim in group]
        return Attack(values, gradients, self.settings[0], LaneNumbers(self, group))

    def _run(self, group: Sequence["_Aim"], attack: Attack, passes: Passes, weight: float) -> None:
        names = [aim.parameter for aim in group]
        for remaining in reversed(range(self.settings[0].k)):
            shifts = dict(zip(names, attack.perturbations, strict=True))
            _, _, found = passes.run(shifts, weight, names if remaining else ())
            if remaining:
                attack.ascend([found[name] for name in names])


@dataclass(frozen=True)
class _Aim:
    """A target: its name, what it is among a pass's values, and its shape for each lane alone."""

    name: str
    parameter: str
    shapes: Sequence[Sequence[int]]

    @property
    def batched(self) -> bool:
        return self.parameter == PIXELS


class LaneNumbers(Numbers):
    """Numbers of many trials, in tensors with a leading dimension of lanes.

    Args:
        lanes: ε, p and generators of each lane.
        aims: What is attacked.
    """

    def __init__(self, lanes: LaneMethod, aims: Sequence[_Aim]) -> None:
        self._lanes, self._settings, self._aims = lanes, lanes.settings[0], aims

    def epsilons(self, like: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.epsilons`."""
        return [
            self._lanes.numbers(f"epsilon of {aim.name}", methodcaller("epsilon_of", aim.name), tensor)
            for aim, tensor in zip(self._aims, like, strict=True)
        ]

    def p(self, like: Tensor) -> Tensor:
        """See `Numbers.p`."""
        return self._lanes.numbers("p", attrgetter("attack_p"), like)

    def masks(self, like: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.masks`."""
        drawn = {"element": None, "row": 1, "tensor": 0}[self._settings.mask]
        masks = []
        for tensor, aim in zip(like, self._aims, strict=True):
            cut = [[*s[:drawn], *[1] * (len(s) - len(s[:drawn]))] for s in aim.shapes]
            # Of single precision for the same reason as in `draw_mask`.
            uniform = self._draws(tensor, cut, torch.Tensor.uniform_, torch.float32)
            masks.append(uniform.lt_(self.p(uniform)).to(tensor.dtype))
        return masks

    def noise(self, like: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.noise`."""
        return [
            self._draws(tensor, aim.shapes, torch.Tensor.normal_, tensor.dtype)
            for tensor, aim in zip(like, self._aims, strict=True)
        ]

    def norm(self, tensor: Tensor) -> Tensor:
        """See `Numbers.norm`; ``[lanes, 1, …]``."""
        return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.dim())), keepdim=True)

    def lengths(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """See `Numbers.lengths`."""
        scope = self._settings.norm
        if scope == "joint":
            joint = norms(tensors)
            return [per_lane(joint, tensor) for tensor in tensors]
        return [self._length(scope, *kind) for kind in zip(tensors, self._aims, strict=True)]

    def _length(self, scope: str, tensor: Tensor, aim: _Aim) -> Tensor:
        if granularity(scope, aim.batched, tensor[0]) == "tensor":
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
