"""Images of a user's in a folder for each class."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from dropattack import Settings, UsageError
from dropattack.errors import first_line
from trainables.adapters.dealing import SPLITS, Labels, by_name, dealt, extras, labels_of
from trainables.data import files
from trainables.data.cache import Encoded, cached
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import ImageSplit
from trainables.digest import digest

_VERSION = 1
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_FOLDERS = {"train", "valid", "validation", "val", "test"}


class ImageFolder(Dataset):
    """``FOLDER/CLASS/IMAGE``, which are dealt to the splits, or ``FOLDER/{train,valid,test}/CLASS/IMAGE``.

    Images are cut to a square from their middle, scaled to ``size`` and kept as bytes, encoded once.

    Args:
        path: The folder, below the data root unless it is absolute.
        size: Height and width of the images that models get.
        channels: 3 for colours, 1 for greys.
        valid: Share of the images to validate on, where they are dealt.
        test: Share to test on.
        name: See `Dataset`; the folder's own name unless told.
    """

    def __init__(
        self,
        path: str | Path,
        size: int = 64,
        *,
        channels: int = 3,
        valid: float = 0.2,
        test: float = 0.2,
        name: str = "",
    ) -> None:
        if channels not in (1, 3):
            raise UsageError(f"channels must be 1 or 3, not {channels}")
        if type(size) is not int or size < 1:
            raise UsageError(f"size must be a whole number of pixels, at least 1, not {size!r}")
        self.name = name or Path(path).name
        self._path, self._size, self._channels, self._shares = Path(path), size, channels, (valid, test)

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        found = hashlib.sha256()
        folder = self._folder(root)
        for path in self._images(folder):
            found.update(f"{path.relative_to(folder).as_posix()} {files.content_digest(path)}\n".encode())
        options = (self._size, self._channels, self._shares)
        return digest(self.name, _VERSION, found.hexdigest(), options)

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        checksum = self.checksum(root, settings)
        entry = cached(self.name, checksum, lambda: self._encoded(root))
        whole = ImageSplit(entry["images"], entry["labels"])
        labels = Labels(entry["labels"], tuple(entry["names"]))
        train, valid, test = (whole.subset(entry[split]) for split in SPLITS)
        return Data(
            train,
            valid,
            test,
            classes=labels.classes,
            checksum=checksum,
            extras=extras(labels, shape=list(entry["images"].shape[1:])),
        )

    def _folder(self, root: Path) -> Path:
        folder = root / self._path
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}; put it there, or name its place with --data DIR")
        return folder

    def _images(self, folder: Path) -> Iterator[Path]:
        depth = 3 if _is_split(folder) else 2
        found = sorted(
            path
            for path in folder.glob("/".join(["*"] * depth))
            if path.suffix.lower() in _ENDINGS and not files.is_hidden(path.relative_to(folder).as_posix())
        )
        if not found:
            shape = "{train,valid,test}/CLASS/IMAGE" if depth == 3 else "CLASS/IMAGE"
            raise UsageError(f"{folder} holds no images as {shape}")
        yield from found

    def _encoded(self, root: Path) -> Encoded:
        folder = self._folder(root)
        paths = list(self._images(folder))
        labels = labels_of([path.parent.name for path in paths], False, str(folder))
        splits = (
            by_name([path.relative_to(folder).parts[0] for path in paths], str(folder))
            if _is_split(folder)
            else dealt(labels, *self._shares, str(folder))
        )
        images = np.stack([self._pixels(path) for path in paths])
        return {
            "images": torch.from_numpy(images),
            "labels": labels.values,
            "names": list(labels.names),
            **splits,
        }

    def _pixels(self, path: Path) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as image:
                if image.mode in ("I", "F"):
                    raise UsageError(f"{path} has pixels of 32 bits; convert it to 8 or 16 bits")
                narrow = _of_8_bits(image) if image.mode.startswith("I;16") else image
                plain = narrow.convert("RGB" if self._channels == 3 else "L")
                fitted = ImageOps.fit(plain, (self._size, self._size))
        except UsageError:
            raise
        except Exception as error:  # Pillow's decoders fail in ways of their own
            raise UsageError(f"{path} cannot be read as an image ({first_line(error)})") from error
        pixels = np.asarray(fitted, dtype=np.uint8).reshape(self._size, self._size, self._channels)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _of_8_bits(image: Any) -> Any:
    """An image of 16 bits a pixel in 8 bits, which Pillow would cut off instead."""
    from PIL import Image

    return Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))


def _is_split(folder: Path) -> bool:
    """Whether a folder's own folders are splits."""
    inside = {
        path.name.lower() for path in folder.iterdir() if path.is_dir() and not files.is_hidden(path.name)
    }
    return "train" in inside and inside <= _FOLDERS
