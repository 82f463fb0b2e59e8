"""MNIST and FashionMNIST from their official files, `ROOT/MNIST/raw/train-images-idx3-ubyte.gz` and so on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from typing_extensions import override

from dropattack import Settings, UsageError
from trainables.data import files
from trainables.data.cache import Encoded, cached
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import ImageSplit, stratified_subset
from trainables.digest import digest

_ENCODER_VERSION = 1
_SPLIT_SEED = 0
_VALID = 10_000
_IMAGES_MAGIC, _LABELS_MAGIC = 2051, 2049
_PARTS = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


@dataclass(frozen=True)
class IdxDataset(Dataset):
    """60,000 training images, of which 10,000 validate, and 10,000 test images of 28×28 pixels.

    Attributes:
        name: Name in sweep files.
        folder: Folder below the data root that holds ``raw/``.
        sha256: Checksum of each part's decompressed content; a repacked gz of the same content is as good.
    """

    name: str
    folder: str
    sha256: Mapping[str, str]

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; every byte is read and compared with the published content."""
        self._raw(root)
        return self._content()

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        content = self._content()
        entry = cached(self.name, content, lambda: self._encode(root))
        train = ImageSplit(entry["train_images"], entry["train_labels"])
        valid = ImageSplit(entry["valid_images"], entry["valid_labels"])
        test = ImageSplit(entry["test_images"], entry["test_labels"])
        return Data(train, valid, test, 10, content, extras={"shape": [1, 28, 28]})

    def _content(self) -> str:
        return digest(self.name, dict(self.sha256), _SPLIT_SEED, _ENCODER_VERSION)

    def _encode(self, root: Path) -> Encoded:
        raw = self._raw(root)
        images, labels = _images(raw["train_images"]), _labels(raw["train_labels"])
        order = stratified_subset(labels, len(labels), _SPLIT_SEED)
        valid, train = order[:_VALID], order[_VALID:]
        return {
            "train_images": images[train],
            "train_labels": labels[train],
            "valid_images": images[valid],
            "valid_labels": labels[valid],
            "test_images": _images(raw["test_images"]),
            "test_labels": _labels(raw["test_labels"]),
        }

    def _raw(self, root: Path) -> dict[str, bytes]:
        """Decompressed and verified content of every part."""
        return {part: self._part(root / self.folder / "raw", part) for part in _PARTS}

    def _part(self, folder: Path, part: str) -> bytes:
        plain = folder / _PARTS[part]
        path = plain if plain.is_file() else files.require(plain.with_name(f"{plain.name}.gz"), self.name)
        try:
            content = files.read(path)
        except UsageError as error:
            raise UsageError(f"{error} (its content's sha256 should be {self.sha256[part]})") from error
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256[part]:
            raise UsageError(
                f"{path} is corrupted: its content has sha256 {found}, "
                f"not {self.sha256[part]}; fetch it again"
            )
        return content


def _images(content: bytes) -> Tensor:
    magic, count, height, width = (int.from_bytes(content[i : i + 4], "big") for i in range(0, 16, 4))
    assert magic == _IMAGES_MAGIC
    return torch.frombuffer(bytearray(content[16:]), dtype=torch.uint8).view(count, 1, height, width)


def _labels(content: bytes) -> Tensor:
    magic, count = (int.from_bytes(content[i : i + 4], "big") for i in range(0, 8, 4))
    assert magic == _LABELS_MAGIC
    labels = torch.frombuffer(bytearray(content[8:]), dtype=torch.uint8).long()
    assert len(labels) == count
    return labels


MNIST = IdxDataset(
    name="mnist",
    folder="MNIST",
    sha256={
        "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)

FASHION = IdxDataset(
    name="fashion",
    folder="FashionMNIST",
    sha256={
        "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)
