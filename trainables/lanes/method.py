"""A method for many trials at once: each trial a lane of stacked tensors, with numbers of its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from dropattack.method import Method
from dropattack.task import Inputs, Task
from trainables.lanes.stack import Passes, Stack
from trainables.lanes.stacked_adam import StackedAdam

Log = dict[str, Tensor]


@dataclass(frozen=True)
class LanesResult:
    """The result of one step of all lanes; see `StepResult`.

    Attributes:
        loss: ``[lanes]``.
        outputs: ``[lanes, batch, …]``, detached.
        log: By name, ``[lanes]``.
    """

    loss: Tensor
    outputs: Any
    log: Mapping[str, Tensor]


class LaneMethod:
    """A method for all lanes of a stack; this base class makes a single clean pass.

    Args:
        methods: The method of each lane, made for the trial alone; all have one `structure`.

    Attributes:
        own: Settings of which each lane has its own value.
        tasks: Of each lane.
        settings: Of each lane.
    """

    own: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, methods: Sequence[Method[Any]]) -> None:
        self.tasks: list[Task] = [method.task for method in methods]
        self.settings: list[Any] = [method.settings for method in methods]
        self._numbers: dict[Hashable, Tensor] = {}

    @classmethod
    def structure(cls, settings: Any) -> Hashable:
        """The part of a method's settings that all lanes of one stack must share."""
        rest = {name: value for name, value in settings.to_dict().items() if name not in cls.own}
        return (cls.__name__, *sorted(rest.items()))

    def step(self, stack: Stack, inputs: Inputs, labels: Tensor, optimizer: StackedAdam) -> LanesResult:
        """Trains every lane on its own batch once.

        A lane whose gradient is not finite skips the update, as it would alone; the others are unaffected.
        The check makes the host wait for a GPU.

        Args:
            stack: The models, in training mode.
            inputs: ``[lanes, batch, …]`` each.
            labels: ``[lanes, batch]``.
            optimizer: Updates the stack.
        """
        passes = Passes(stack, inputs, labels, self.tasks[0])
        buffers = {name: buffer.clone() for name, buffer in stack.buffers.items()}
        loss, outputs, log = self.gather(stack, passes)
        gradients = self.adjusted(stack, passes.gradients())
        norm = norms(list(gradients.values()))
        broken = ~torch.isfinite(norm)
        skipped = [lane for lane, one in enumerate(broken.tolist()) if one]
        optimizer.step(gradients, skipped)
        for name, buffer in stack.buffers.items() if skipped else ():
            buffer[skipped] = buffers[name][skipped]
        return LanesResult(loss, outputs, log | {"skipped_updates": broken.to(norm.dtype)})

    def gather(self, stack: Stack, passes: Passes) -> tuple[Tensor, Any, Log]:
        """Runs the passes of a step; returns losses ``[lanes]`` and outputs of the first, and the log."""
        loss, outputs, _ = passes.run({}, 1)
        return loss, outputs, {}

    def adjusted(self, stack: Stack, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The gradients that the optimizer receives."""
        return gradients

    def keep(self, lanes: Sequence[int]) -> None:
        """Compacts to these lanes, in this order."""
        self.tasks = [self.tasks[lane] for lane in lanes]
        self.settings = [self.settings[lane] for lane in lanes]
        self._numbers.clear()

    def numbers(self, name: str, of: Callable[[Any], float], like: Tensor) -> Tensor:
        """A number ``of`` each lane's settings, on the device of ``like`` and broadcasting against it."""
        key = name, like.device, like.dtype
        if key not in self._numbers:
            values = [of(settings) for settings in self.settings]
            self._numbers[key] = torch.tensor(values, dtype=like.dtype, device=like.device)
        return per_lane(self._numbers[key], like)


class PlainLanes(LaneMethod):
    """Standard training, and DropAttack whose settings reduce to it."""

    @classmethod
    @override
    def structure(cls, settings: Any) -> Hashable:
        return cls.__name__, settings.rounds_at(1)


class PenaltyLanes(LaneMethod, ABC):
    """A penalty of which each lane has its own strength."""

    own = frozenset({"strength"})

    @override
    def adjusted(self, stack: Stack, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        strength = attrgetter("strength")
        return {
            name: gradients[name].addcmul(self.slope(value), self.numbers("strength", strength, value))
            for name, value in stack.parameters.items()
        }

    @abstractmethod
    def slope(self, value: Tensor) -> Tensor:
        """The penalty's gradient for a strength of 1."""


class L1Lanes(PenaltyLanes):
    """Loss + λ Σ|θ|."""

    @override
    def slope(self, value: Tensor) -> Tensor:
        """sign(θ)."""
        return value.sign()


class L2Lanes(PenaltyLanes):
    """Loss + λ ‖θ‖²."""

    @override
    def slope(self, value: Tensor) -> Tensor:
        """2θ."""
        return 2 * value


def per_lane(values: Tensor, like: Tensor) -> Tensor:
    """Numbers ``[lanes]`` in a form that broadcasts against ``like``, ``[lanes, …]``."""
    return values.view(-1, *[1] * (like.dim() - 1))


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norm over all tensors together, ``[lanes]``."""
    each = [torch.linalg.vector_norm(tensor.flatten(1), dim=1) for tensor in tensors]
    joint: Tensor = torch.linalg.vector_norm(torch.stack(each), dim=0)
    return joint
