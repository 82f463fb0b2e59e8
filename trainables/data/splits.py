"""Labelled examples held in memory: splits, their batches and their subsets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from dropattack import Batch, Inputs

PADDING = 1
"""Token id of padding."""
UNKNOWN = 0
"""Token id of words outside the vocabulary."""
_POOL = 50


class Split(Protocol):
    """Labelled examples in memory, which yields them in batches."""

    @property
    def labels(self) -> Tensor:
        """``[n]``, int64."""

    def __len__(self) -> int:
        """Number of examples."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Yields every example once, in batches of ``size``: shuffled by ``generator``, else in order."""

    def order(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        """The indices of each batch that `batches` yields, ``[batch]`` each."""

    def take(self, indices: Tensor) -> Batch:
        """The examples at indices of any shape, such as `order`'s; inputs and labels lead with that shape."""

    def joined(self, others: Sequence[Self]) -> Self:
        """These examples and then the others'."""

    def subset(self, indices: Tensor) -> "Split":
        """The examples at ``indices``."""

    def to(self, device: torch.device) -> "Split":
        """The same split on ``device``."""


def shuffled(labels: Tensor, size: int, generator: torch.Generator) -> Sequence[Tensor]:
    """The indices of all examples in a drawn order, in batches of ``size``, on the device of their labels.

    Args:
        labels: ``[n, ...]``.
        size: Examples of a batch; the last may have fewer.
        generator: Draws the order; on the CPU, so that it is the same on every device.
    """
    batches: Sequence[Tensor] = torch.randperm(len(labels), generator=generator).to(labels.device).split(size)
    return batches


@dataclass(frozen=True)
class ImageSplit:
    """Images as bytes, scaled to [0, 1] batch by batch.

    Attributes:
        images: ``[n, channels, height, width]``, uint8.
        labels: ``[n]``, int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """See `Split.batches`; inputs are float32 in [0, 1]."""
        if generator is None:
            for start in range(0, len(self), size):
                chunk = slice(start, start + size)
                yield self.images[chunk].float().div_(255), self.labels[chunk]
        else:
            for indices in self.order(size, generator):
                yield self.take(indices)

    def order(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        """See `Split.order`; on the split's device."""
        return shuffled(self.labels, size, generator)

    def take(self, indices: Tensor) -> Batch:
        """See `Split.take`; inputs are float32 in [0, 1]."""
        return self.images[indices].float().div_(255), self.labels[indices]

    def joined(self, others: Sequence["ImageSplit"]) -> "ImageSplit":
        """See `Split.joined`."""
        parts = [self, *others]
        return ImageSplit(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))

    def subset(self, indices: Tensor) -> "ImageSplit":
        """See `Split.subset`."""
        return ImageSplit(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> "ImageSplit":
        """See `Split.to`."""
        return ImageSplit(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class TensorSplit:
    """Examples that a model receives unchanged: rows of a table, or anything else of one shape.

    Attributes:
        inputs: ``[n, ...]``, float.
        labels: ``[n]``, int64, where they are classes; ``[n, ...]`` otherwise.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """See `Split.batches`."""
        if generator is None:
            yield from zip(self.inputs.split(size), self.labels.split(size), strict=True)
        else:
            yield from map(self.take, self.order(size, generator))

    def order(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        """See `Split.order`; on the split's device."""
        return shuffled(self.labels, size, generator)

    def take(self, indices: Tensor) -> Batch:
        """See `Split.take`."""
        return self.inputs[indices], self.labels[indices]

    def joined(self, others: Sequence["TensorSplit"]) -> "TensorSplit":
        """See `Split.joined`."""
        parts = [self, *others]
        return TensorSplit(torch.cat([p.inputs for p in parts]), torch.cat([p.labels for p in parts]))

    def subset(self, indices: Tensor) -> "TensorSplit":
        """See `Split.subset`."""
        return TensorSplit(self.inputs[indices], self.labels[indices])

    def to(self, device: torch.device) -> "TensorSplit":
        """See `Split.to`."""
        return TensorSplit(self.inputs.to(device), self.labels.to(device))


@dataclass(frozen=True)
class TextSplit:
    """Texts as token ids, batched by length so that little is padding.

    Attributes:
        tokens: ``[n, longest]``, int32, padded with `PADDING`.
        lengths: ``[n]``, int64, at least 1; always on the CPU, where packing sequences needs them.
        labels: ``[n]``, int64.
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """See `Split.batches`; inputs are ``(tokens [batch, longest], lengths [batch])``, longest text first.

        With a generator, pools of `_POOL` batches are sorted by length and cut into batches, which are then
        shuffled. Without one the whole split is sorted.
        """
        for indices in self.order(size, generator):
            yield self.take(indices)

    def order(self, size: int, generator: torch.Generator | None) -> Sequence[Tensor]:
        """See `Split.order`; on the CPU."""
        if generator is None:
            return list(self.lengths.argsort(descending=True, stable=True).split(size))
        batches = [
            batch
            for pool in torch.randperm(len(self), generator=generator).split(size * _POOL)
            for batch in pool[self.lengths[pool].argsort(descending=True, stable=True)].split(size)
        ]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def take(self, indices: Tensor) -> Batch:
        """See `Split.take`; tokens are cut to the longest of these texts."""
        lengths = self.lengths[indices]
        there = indices.to(self.labels.device, non_blocking=True)
        return (self.tokens[there, : int(lengths.max())].long(), lengths), self.labels[there]

    @staticmethod
    def words(inputs: Inputs) -> Tensor:
        """See `Task.words`: true within a text's length, for the inputs of a batch."""
        tokens, lengths = inputs
        ends = lengths.to(tokens.device, non_blocking=True)
        return torch.arange(tokens.shape[1], device=tokens.device) < ends[:, None]

    def joined(self, others: Sequence["TextSplit"]) -> "TextSplit":
        """See `Split.joined`; all are of one dataset, and so padded to one length."""
        parts = [self, *others]
        tokens, lengths, labels = ([getattr(p, n) for p in parts] for n in ("tokens", "lengths", "labels"))
        return TextSplit(torch.cat(tokens), torch.cat(lengths), torch.cat(labels))

    def padded_share(self, size: int, generator: torch.Generator | None = None) -> float:
        """Share of the token positions in all batches that is padding, in [0, 1]."""
        order = self.order(size, generator)
        positions = sum(len(batch) * int(self.lengths[batch].max()) for batch in order)
        return 1 - int(self.lengths.sum()) / positions

    def subset(self, indices: Tensor) -> "TextSplit":
        """See `Split.subset`."""
        return TextSplit(self.tokens[indices], self.lengths[indices], self.labels[indices])

    def to(self, device: torch.device) -> "TextSplit":
        """See `Split.to`."""
        return TextSplit(self.tokens.to(device), self.lengths, self.labels.to(device))


def stratified_subset(labels: Tensor, size: int, seed: int, balanced: bool = False) -> Tensor:
    """Indices of ``size`` examples, with classes in the proportions of the whole or equally many of each.

    Subsets of one seed are nested: a smaller one lies within every larger one.

    Args:
        labels: ``[n]``, int64. Labels ``[n, ...]`` are no classes, and nothing is stratified.
        size: How many to take, at most n.
        seed: Decides the subset.
        balanced: Whether to take equally many of every class, until the rarest ones are used up.

    Returns:
        ``[size]`` indices, int64, on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = labels.cpu() if labels.ndim == 1 else torch.zeros(len(labels))
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    # Takes examples by ascending rank within their class. A rank as a share of the class takes all classes
    # at the same rate, for every size at once; a rank as a count takes equally many of each.
    rank = torch.empty(len(labels), dtype=torch.float64)
    for label in shuffled.unique():
        members = (shuffled == label).nonzero().squeeze(1)
        rank[members] = torch.arange(len(members), dtype=torch.float64) + 0.5
        if not balanced:
            rank[members] /= len(members)
    return order[rank.argsort(stable=True)[:size]]
