"""Examples that do not fit on a device beside the training: they move there batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dropattack import Batch
from trainables.data.splits import Split
from trainables.gpu import room_on

_SHARE = 0.5
"""Largest share of a device's free memory that splits may fill."""


@dataclass(frozen=True)
class Streamed:
    """A split that stays where it is, and moves its batches to a device; see `Split`.

    Attributes:
        whole: The split.
        device: The device of its batches.
    """

    whole: Any
    device: torch.device

    @cached_property
    def labels(self) -> Tensor:
        """``[n]``, on the device."""
        found: Tensor = self.whole.labels.to(self.device)
        return found

    def __len__(self) -> int:
        return len(self.whole)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """See `Split.batches`."""
        if generator is not None:
            yield from map(self.take, self.order(size, generator))
            return
        for indices in torch.arange(len(self)).split(size):
            yield from self.whole.subset(indices).to(self.device).batches(size)

    def order(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        """See `Split.order`; on the split's own device."""
        found: Sequence[Tensor] = self.whole.order(size, generator)
        return found

    def take(self, indices: Tensor) -> Batch:
        """See `Split.take`."""
        there = indices.to(self.whole.labels.device)
        part: Split = self.whole.subset(there.flatten()).to(self.device)
        return part.take(torch.arange(there.numel(), device=part.labels.device).view(there.shape))

    def joined(self, others: Sequence["Streamed"]) -> "Streamed":
        """See `Split.joined`."""
        return Streamed(self.whole.joined([other.whole for other in others]), self.device)

    def subset(self, indices: Tensor) -> Split:
        """See `Split.subset`."""
        return Streamed(self.whole.subset(indices.to(self.whole.labels.device)), self.device)

    def to(self, device: torch.device) -> Split:
        """See `Split.to`."""
        return self if device == self.device else placed([self.whole], device)[0]


def placed(splits: Sequence[Split], device: torch.device) -> list[Split]:
    """Moves splits to a device, or their batches alone if they would fill over half of its free memory."""
    streams = [isinstance(split, Streamed) for split in splits]
    if device.type == "cpu" or any(streams) or sum(map(size_of, splits)) <= _SHARE * room_on(device):
        return [split.to(device) for split in splits]
    return [Streamed(split, device) for split in splits]


def size_of(split: Split) -> int:
    """Bytes of a split's tensors: its ``nbytes`` if it has that, else those of its attributes."""
    known = getattr(split, "nbytes", None)
    if isinstance(known, int):
        return known
    held = vars(split).values() if hasattr(split, "__dict__") else ()
    return sum(value.nbytes for value in held if isinstance(value, Tensor))
