"""Examples with several named inputs, such as an image and a row of numbers beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.data.splits import shuffled

NamedBatch = tuple[Any, Tensor]
"""A dictionary of inputs by name, each ``[batch, ...]``, and labels."""


@dataclass(frozen=True)
class NamedSplit:
    """Examples whose model is called as ``model(image=…, age=…)``; see `Split`.

    Attributes:
        inputs: By name ``[n, ...]``.
        labels: ``[n]``, int64, where they are classes; ``[n, ...]`` otherwise.
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in (*self.inputs.values(), self.labels))

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[NamedBatch]:
        """See `Split.batches`."""
        if generator is None:
            for start in range(0, len(self), size):
                chunk = slice(start, start + size)
                yield {name: each[chunk] for name, each in self.inputs.items()}, self.labels[chunk]
        else:
            yield from map(self.take, self.order(size, generator))

    def order(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        """See `Split.order`; on the split's device."""
        return shuffled(self.labels, size, generator)

    def take(self, indices: Tensor) -> NamedBatch:
        """See `Split.take`."""
        return {name: each[indices] for name, each in self.inputs.items()}, self.labels[indices]

    def joined(self, others: Sequence["NamedSplit"]) -> "NamedSplit":
        """See `Split.joined`."""
        parts = [self, *others]
        inputs = {name: torch.cat([part.inputs[name] for part in parts]) for name in self.inputs}
        return NamedSplit(inputs, torch.cat([part.labels for part in parts]))

    def subset(self, indices: Tensor) -> "NamedSplit":
        """See `Split.subset`."""
        return NamedSplit(*self.take(indices))

    def to(self, device: torch.device) -> "NamedSplit":
        """See `Split.to`."""
        inputs = {name: each.to(device) for name, each in self.inputs.items()}
        return NamedSplit(inputs, self.labels.to(device))
