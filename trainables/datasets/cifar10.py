"""CIFAR-10 (Krizhevsky, 2009) in its official python or binary layout, unpacked or as the archive."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class CifarDataset(Dataset):
    """50,000 training images, of which 10,000 validate, and 10,000 test images of 3×32×32 pixels.

    Attributes:
        name: Name in sweep files.
        binary: MD5 of each file of the binary layout, training batches first and the test batch last.
        pickled: The same of the python layout.
        valid: Training images that validate.
    """

    name: str
    binary: Mapping[str, str]
    pickled: Mapping[str, str]
    valid: int = 10_000

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; every file is compared with its published MD5."""
        self._batches(root)
        return self._content()

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        entry = cached(self.name, self._content(), lambda: self._encode(root))
        train, valid, test = (
            ImageSplit(entry[f"{split}_images"], entry[f"{split}_labels"])
            for split in ("train", "valid", "test")
        )
        return Data(train, valid, test, 10, self._content(), extras={"shape": [3, 32, 32]})

    def _content(self) -> str:
        return digest(self.name, list(self.binary.values()), self.valid, _SPLIT_SEED, _ENCODER_VERSION)

    def _encode(self, root: Path) -> Encoded:
        *train, test = self._batches(root)
        images, labels = torch.cat([batch[0] for batch in train]), torch.cat([batch[1] for batch in train])
        order = stratified_subset(labels, len(labels), _SPLIT_SEED)
        valid, rest = order[: self.valid], order[self.valid :]
        return {
            "train_images": images[rest],
            "train_labels": labels[rest],
            "valid_images": images[valid],
            "valid_labels": labels[valid],
            "test_images": test[0],
            "test_labels": test[1],
        }

    def _batches(self, root: Path) -> list[tuple[Tensor, Tensor]]:
        """Images ``[n, 3, 32, 32]`` and labels ``[n]`` of every file, verified."""
        layouts = (
            ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", self.binary, _from_binary),
            ("cifar-10-batches-py", "cifar-10-python.tar.gz", self.pickled, _from_pickle),
        )
        for folder, archive, md5, parse in layouts:
            if (root / folder).is_dir():
                contents = {
                    name: (str(root / folder / name), files.require(root / folder / name, self.name))
                    for name in md5
                }
                raw = {name: (where, files.read(path)) for name, (where, path) in contents.items()}
            elif (root / archive).is_file():
                raw = _archived(root / archive, folder, list(md5))
            else:
                continue
            return [parse(_verified(*raw[name], expected)) for name, expected in md5.items()]
        files.require(root / layouts[0][0], self.name)
        raise AssertionError("one of the layouts is there")


def _archived(path: Path, folder: str, names: list[str]) -> dict[str, tuple[str, bytes]]:
    """The place of each member, for messages, and its content."""
    contents = dict(files.archived(path, {f"{folder}/{name}" for name in names}.__contains__))
    for name in names:
        if f"{folder}/{name}" not in contents:
            raise UsageError(f"{path} has no member {folder}/{name}; fetch it again")
    return {name: (f"{path}: {folder}/{name}", contents[f"{folder}/{name}"]) for name in names}


def _verified(where: str, content: bytes, md5: str) -> bytes:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UsageError(f"{where} is corrupted: its content has md5 {found}, not {md5}; fetch it again")
    return content


def _from_binary(content: bytes) -> tuple[Tensor, Tensor]:
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 1 + _PIXELS)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()


class _PlainUnpickler(pickle.Unpickler):
    """Reads numpy arrays and nothing else, since a pickle could otherwise run any code."""

    @override
    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        allowed = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}
        if not module.startswith("numpy") or name not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong there")
        return allowed[name]


def _from_pickle(content: bytes) -> tuple[Tensor, Tensor]:
    import numpy as np

    batch = _PlainUnpickler(io.BytesIO(content), encoding="bytes").load()
    images = torch.from_numpy(np.ascontiguousarray(batch[b"data"])).view(-1, 3, 32, 32)
    return images, torch.tensor(batch[b"labels"])


CIFAR10 = CifarDataset(
    name="cifar10",
    binary={
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    pickled={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
)
