"""Workloads whose data each break the contract in their own way, on numbers that are made up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from dropattack import Settings, setting
from trainables.architecture import Architecture, named
from trainables.data import files
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import ImageSplit
from trainables.digest import digest
from trainables.workload import Workload

SIZES = (60, 30, 30)


def split(seed: int, size: int) -> ImageSplit:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (size, 1, 4, 4), dtype=torch.uint8, generator=generator)
    return ImageSplit(images, torch.arange(size) % 3)


class Noise(Dataset):
    name = "noise"

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        return "noise"

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        train, valid, test = (split(seed, size) for seed, size in enumerate(SIZES))
        return Data(train, valid, test, 3, self.checksum(root, settings))


@dataclass(frozen=True, kw_only=True)
class Linear(Architecture):
    bias: bool = setting(True, "Whether to add a bias.")
    kind: str = setting("plain", "Kind of the layer.", choices=("plain", "narrow"))

    @override
    def build(self, data: Data) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, data.classes, bias=self.bias))

    @property
    @override
    def targets(self) -> dict[str, str]:
        return named({"fc": "1"}, bias=self.bias)


def workload(dataset: Dataset | None = None, architecture: Architecture | None = None) -> Workload:
    return Workload("made-up", "Made up.", dataset or Noise(), architecture or Linear())


honest = workload


class Overlapping(Noise):
    @override
    def load(self, root: Path, settings: Settings) -> Data:
        data = super().load(root, settings)
        return replace(data, test=data.train.subset(torch.arange(30)))


def overlapping() -> Workload:
    return workload(Overlapping())


class Beyond(Noise):
    @override
    def load(self, root: Path, settings: Settings) -> Data:
        return replace(super().load(root, settings), classes=2)


def beyond() -> Workload:
    return workload(Beyond())


class OutOfBounds(Noise):
    @override
    def load(self, root: Path, settings: Settings) -> Data:
        return replace(super().load(root, settings), bounds=(0.1, 0.9))


def out_of_bounds() -> Workload:
    return workload(OutOfBounds())


class Hurried(ImageSplit):
    """Leaves out the last batch where it is a small one."""

    @override
    def order(self, size: int, generator: torch.Generator) -> Sequence[Tensor]:
        return [batch for batch in super().order(size, generator) if len(batch) == size]

    @override
    def subset(self, indices: Tensor) -> ImageSplit:
        return Hurried(self.images[indices], self.labels[indices])


class Ordered(ImageSplit):
    """Gives its batches in an order that is not its `order`."""

    @override
    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Any]:
        return reversed(list(super().batches(size, generator)))

    @override
    def subset(self, indices: Tensor) -> ImageSplit:
        return Ordered(self.images[indices], self.labels[indices])


class Shifted(ImageSplit):
    """Takes other examples than it was asked for."""

    @override
    def subset(self, indices: Tensor) -> ImageSplit:
        return Shifted(self.images[indices], self.labels[indices.flip(0)])


@dataclass
class Batched(Noise):
    kind: type[ImageSplit]

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        data = super().load(root, settings)
        train, valid, test = (self.kind(s.images, s.labels) for s in (data.train, data.valid, data.test))  # type: ignore[attr-defined]
        return replace(data, train=train, valid=valid, test=test)


def hurried() -> Workload:
    return workload(Batched(Hurried))


def ordered() -> Workload:
    return workload(Batched(Ordered))


def shifted() -> Workload:
    return workload(Batched(Shifted))


class Hashed(Noise):
    """Its checksum is another one in every process."""

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        return str(hash("noise"))


def hashed() -> Workload:
    return workload(Hashed())


@dataclass
class Files(Noise):
    """Reads images and labels from two files; the checksum is of those that are named."""

    digested: tuple[str, ...]

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        return digest([files.content_digest(files.require(root / name, self.name)) for name in self.digested])

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        images, labels = (files.read(files.require(root / n, self.name)) for n in ("images", "labels"))
        pixels = torch.frombuffer(bytearray(images), dtype=torch.uint8).view(-1, 1, 4, 4)
        classes = torch.frombuffer(bytearray(labels), dtype=torch.uint8).long() % 3
        parts = ImageSplit(pixels, classes)
        train, valid, test = (parts.subset(indices) for indices in torch.arange(len(parts)).split(40))
        return Data(train, valid, test, 3, self.checksum(root, settings))


def write_files(root: Path) -> None:
    """120 examples for `Files`."""
    images = torch.randint(0, 256, (120 * 16,), generator=torch.Generator().manual_seed(0))
    (root / "images").write_bytes(bytes(images.tolist()))
    (root / "labels").write_bytes(bytes(i % 3 for i in range(120)))


def from_files() -> Workload:
    return workload(Files(("images", "labels")))


def labels_forgotten() -> Workload:
    return workload(Files(("images",)))
