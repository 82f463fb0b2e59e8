"""DropAttack for many trials at once, by the same attack as for one."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import cycle
from operator import attrgetter, methodcaller
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from dropattack.errors import UsageError
from dropattack.method import Method
from dropattack.methods.dropattack import Ascent, Numbers
from dropattack.methods.dropattack_settings import RANDOM_DIRECTION, DropAttackSettings
from dropattack.modes import frozen_batch_statistics
from dropattack.perturbation import granularity
from dropattack.targets.spelling import INPUT, parse_targets
from trainables.lanes.method import LaneMethod, Log, norms, per_lane
from trainables.lanes.stack import PIXELS, Passes, Stack


class DropAttackLanes(LaneMethod):
    """DropAttack in which each lane has its own ε, p, generator and, within its groups, targets.

    All lanes run the passes of the union of their targets. A target that a lane does not attack is masked in
    that lane.
    """

    own = frozenset({"epsilon", "input_ratio", "p"})

    @classmethod
    @override
    def structure(cls, settings: Any) -> Hashable:
        """See `LaneMethod.structure`; controls that only set ε or p may share a stack with attacks."""
        if INPUT in parse_targets(settings.targets):
            if settings.text_input == "tokens":
                raise UsageError("text_input tokens cannot be a lane; attack the matrix, or train it alone")
            if settings.norm == "row":
                raise UsageError("norm row of the input cannot be a lane; train it alone")
        rest = {n: v for n, v in settings.to_dict().items() if n not in {*cls.own, "control", "targets"}}
        names = parse_targets(settings.targets)
        apart = settings.grouping == "per-target" or settings.norm == "joint"
        kinds = names if apart else tuple(sorted({name == INPUT for name in names}))
        return (cls.__name__, kinds, settings.control == RANDOM_DIRECTION, *sorted(rest.items()))

    def __init__(self, methods: Sequence[Method[Any]]) -> None:
        super().__init__(methods)
        self._unite()

    @override
    def keep(self, lanes: Sequence[int]) -> None:
        super().keep(lanes)
        self._unite()

    def _unite(self) -> None:
        self._targets = [parse_targets(settings.targets) for settings in self.settings]
        union = "+".join({name for own in self._targets for name in own})
        self._groups = replace(self.settings[0], targets=union).groups

    @override
    def gather(self, stack: Stack, passes: Passes) -> tuple[Tensor, Any, Log]:
        """See `LaneMethod.gather`; the steps are those of `DropAttack.step`."""
        settings: DropAttackSettings = self.settings[0]
        groups = [[self._aim(name, passes) for name in group] for group in self._groups]
        total = settings.clean_weight + len(groups) if settings.combine == "mean" else 1.0
        targets = [aim.parameter for group in groups for aim in group]
        loss, outputs, clean = passes.run({}, settings.clean_weight / total, targets)
        attacks = [self._attack(group, clean, passes) for group in groups]
        frozen = settings.batch_norm == "frozen"
        with frozen_batch_statistics(stack.module) if frozen else nullcontext():
            for group, attack in zip(groups, attacks, strict=True):
                self._run(group, attack, passes, 1 / (settings.k * total))
        log = {
            "skipped": self._mean(groups, [attack.skipped for attack in attacks]),
            "relative_size": self._mean(groups, [attack.relative_sizes() for attack in attacks]),
        }
        return loss, outputs, log

    def _mean(self, groups: Sequence[Sequence["_Aim"]], values: Sequence[Sequence[Tensor]]) -> Tensor:
        """Mean over a lane's own targets; of each group there are values for one target after the other."""
        total, count = torch.zeros(2, 1, device=values[0][0].device)
        for group, found in zip(groups, values, strict=True):
            for aim, value in zip(cycle(group), found, strict=False):
                weight = self.attacks(aim.name, value.flatten())
                total, count = total + weight * value.flatten(), count + weight
        mean: Tensor = total / count
        return mean

    def attacks(self, name: str, like: Tensor) -> Tensor:
        """1 for lanes that attack a target and 0 for others, broadcasting against ``like``."""
        return self.numbers(f"attacks {name}", lambda s: name in parse_targets(s.targets), like)

    def _aim(self, name: str, passes: Passes) -> "_Aim":
        key = self.tasks[0].names.get(name, PIXELS if name == INPUT else name)
        if key not in passes.values:
            raise UsageError(f"target {name!r} cannot be attacked in lanes; train it alone")
        shape = list(passes.values[key].shape)
        attacked = [name in own for own in self._targets]
        if passes.lookups is not None and key == passes.embedding:
            return _Aim(name, key, [[count, *shape[2:]] for count in passes.lookups.counts], attacked)
        return _Aim(name, key, [shape[1:]] * shape[0], attacked)

    def _attack(self, group: Sequence["_Aim"], clean: Mapping[str, Tensor], passes: Passes) -> Ascent:
        values, gradients = _kept(group, passes.values, passes), _kept(group, clean, passes)
        return Ascent(values, gradients, self.settings[0], LaneNumbers(self, group))

    def _run(self, group: Sequence["_Aim"], attack: Ascent, passes: Passes, weight: float) -> None:
        names = [aim.parameter for aim in group]
        for remaining in reversed(range(self.settings[0].k)):
            shifts = dict(zip(names, attack.perturbations, strict=True))
            _, _, found = passes.run(shifts, weight, names if remaining else ())
            if remaining:
                attack.ascend(_kept(group, found, passes))


@dataclass(frozen=True)
class _Aim:
    """A target, with its shape in each lane's own training and whether that lane attacks it.

    Attributes:
        parameter: Its name among the values of a pass.
    """

    name: str
    parameter: str
    shapes: Sequence[Sequence[int]]
    attacked: Sequence[bool]

    @property
    def batched(self) -> bool:
        return self.parameter == PIXELS


def _kept(group: Sequence[_Aim], tensors: Mapping[str, Tensor], passes: Passes) -> list[Tensor]:
    """The tensor of each target; of an embedding, with zeros for padding."""
    looked_up = [passes.lookups if aim.parameter == passes.embedding else None for aim in group]
    found = [tensors[aim.parameter] for aim in group]
    return [t if lookups is None else lookups.kept(t) for t, lookups in zip(found, looked_up, strict=True)]


class LaneNumbers(Numbers):
    """Numbers of many trials, in tensors with a leading dimension of lanes.

    Args:
        lanes: ε, p and generators of each lane.
        aims: What is attacked.
    """

    def __init__(self, lanes: DropAttackLanes, aims: Sequence[_Aim]) -> None:
        self._lanes, self._settings, self._aims = lanes, lanes.settings[0], aims

    @override
    def epsilons(self, like: Sequence[Tensor]) -> list[Tensor]:
        return [
            self._lanes.numbers(f"epsilon of {aim.name}", methodcaller("epsilon_of", aim.name), tensor)
            for aim, tensor in zip(self._aims, like, strict=True)
        ]

    @override
    def p(self, like: Tensor) -> Tensor:
        return self._lanes.numbers("p", attrgetter("attack_p"), like)

    @override
    def masks(self, like: Sequence[Tensor]) -> list[Tensor]:
        drawn = {"element": None, "row": 1, "tensor": 0}[self._settings.mask]
        masks = []
        for tensor, aim in zip(like, self._aims, strict=True):
            every = [*aim.shapes, tensor.shape[1:]]
            *cut, whole = [[*s[:drawn], *[1] * (len(s) - len(s[:drawn]))] for s in every]
            # In single precision for the same reason as in `draw_mask`.
            uniform = self._draws(tensor, aim, cut, whole, torch.Tensor.uniform_, torch.float32)
            mask = uniform.lt_(self.p(uniform)).to(tensor.dtype)
            masks.append(mask if all(aim.attacked) else mask.mul_(self._lanes.attacks(aim.name, mask)))
        return masks

    @override
    def noise(self, like: Sequence[Tensor]) -> list[Tensor]:
        return [
            self._draws(tensor, aim, aim.shapes, tensor.shape[1:], torch.Tensor.normal_, tensor.dtype)
            for tensor, aim in zip(like, self._aims, strict=True)
        ]

    @override
    def norm(self, tensor: Tensor) -> Tensor:
        """See `Numbers.norm`; ``[lanes, 1, …]``."""
        dims = tuple(range(1, tensor.dim()))
        length: Tensor = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
        return length

    @override
    def lengths(self, tensors: Sequence[Tensor]) -> list[Tensor]:
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
        rows = tuple(range(2, tensor.dim()))
        exact: Tensor = torch.linalg.vector_norm(tensor, dim=rows, keepdim=True, dtype=torch.float64)
        return exact.to(tensor.dtype)

    @override
    def scaled(self, direction: Tensor, size: float | Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """See `perturbation.scaled`; the shares are ``[lanes]``."""
        factor = size / length
        useless = ~(torch.isfinite(factor) & torch.isfinite(length))
        shares = useless.to(length.dtype).flatten(1).mean(1)
        return (direction * factor).masked_fill_(useless, 0), shares

    def _draws(
        self,
        like: Tensor,
        aim: _Aim,
        shapes: Sequence[Sequence[int]],
        whole: Sequence[int],
        draw: Callable[..., Tensor],
        dtype: torch.dtype,
    ) -> Tensor:
        """Draws for each lane that attacks, padded with zeros for lanes with fewer rows than the longest."""
        ragged = any(list(shape) != list(whole) for shape in shapes)
        make = torch.zeros if ragged or not all(aim.attacked) else torch.empty
        drawn = make(len(shapes), *whole, dtype=dtype, device=like.device)
        for lane, shape, task, attacks in zip(drawn, shapes, self._lanes.tasks, aim.attacked, strict=True):
            if attacks:
                draw(lane[: shape[0]] if ragged else lane, generator=task.generator)
        return drawn
