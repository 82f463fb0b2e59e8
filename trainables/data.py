"""What a model is trained on: three splits that give batches, and how they came about."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from dropattack import Batch, Settings


class Split(Protocol):
    """Labelled examples that are held in memory and handed out in batches."""

    @property
    def labels(self) -> Tensor:
        """``[n]``, int64."""

    def __len__(self) -> int:
        """Number of examples."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Every example once, in batches of ``size``: shuffled by ``generator``, or in order without one."""

    def subset(self, indices: Tensor) -> "Split":
        """The examples at ``indices``."""

    def to(self, device: torch.device) -> "Split":
        """The same split on ``device``."""


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
            order = torch.randperm(len(self), generator=generator).to(self.labels.device)
            for indices in order.split(size):
                yield self.images[indices].float().div_(255), self.labels[indices]

    def subset(self, indices: Tensor) -> "ImageSplit":
        """See `Split.subset`."""
        return ImageSplit(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> "ImageSplit":
        """See `Split.to`."""
        return ImageSplit(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Data:
    """A dataset, split.

    Attributes:
        train: Examples to learn from.
        valid: Examples that choose: hyperparameters, early stopping, the best checkpoint.
        test: Examples that are looked at once, at the end.
        classes: Number of labels.
        checksum: Digest of the raw content and of how it was split and encoded.
        extras: What a model is built from beside the number of classes, such as a vocabulary.
    """

    train: Split
    valid: Split
    test: Split
    classes: int
    checksum: str
    extras: Mapping[str, Any] = field(default_factory=dict)


class Dataset(ABC):
    """A source of `Data`. Subclasses declare `name`, `settings_type`, `checksum` and `load`."""

    name: str
    settings_type: type[Settings] = Settings

    @abstractmethod
    def checksum(self, root: Path, settings: Settings) -> str:
        """Digest of everything the loaded data depend on.

        Raises:
            UsageError: Files are missing, truncated or not what they should be.
        """

    @abstractmethod
    def load(self, root: Path, settings: Settings) -> Data:
        """The data, encoded on first use and mapped from the node's cache from then on.

        Raises:
            UsageError: As `checksum` does.
        """


def stratified_subset(labels: Tensor, size: int, seed: int) -> Tensor:
    """Indices of ``size`` examples with the classes in the proportions of the whole.

    Subsets of one seed are nested: a smaller one lies within every larger one.

    Args:
        labels: ``[n]``, int64.
        size: How many to take, at most n.
        seed: Which subset.

    Returns:
        ``[size]`` indices, int64, on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = labels.cpu()
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    # An example's rank within its class, as a share of the class: taking examples by ascending share takes
    # all classes at the same rate, for every size at once.
    share = torch.empty(len(labels), dtype=torch.float64)
    for label in shuffled.unique():
        members = (shuffled == label).nonzero().squeeze(1)
        share[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return order[share.argsort(stable=True)[:size]]
