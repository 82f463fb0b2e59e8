"""A user's own images, in a folder for each class."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import torch
from typing_extensions import override

from dropattack import Settings, UsageError, setting
from dropattack.errors import first_line
from trainables.adapters.dealing import SPLITS, Labels, by_name, dealt, extras, labels_of, repetitions
from trainables.data import files
from trainables.data.cache import Encoded, cached, remembered
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import ImageSplit
from trainables.digest import digest

if TYPE_CHECKING:
    import numpy as np

_VERSION = 1
_LAYOUT = "split by split"
"""Layout of images in the cache, in which each split is a part of one mapped file."""
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_FOLDERS = {"train", "valid", "validation", "val", "test"}


@dataclass(frozen=True, kw_only=True)
class ImageSettings(Settings):
    """How images are encoded for a model."""

    size: int = setting(64, "Height and width of the images that models get.", low=1)


Source = Path | tuple[str, BinaryIO]
"""A file, or a name for messages and the file's bytes."""


@dataclass(frozen=True)
class Pictures:
    """Images that are not read yet.

    Attributes:
        where: Their source, for messages.
        labels: The name of each one's class.
        splits: The name of each one's split; empty if they are still to be dealt.
        sources: Each image.
    """

    where: str
    labels: Sequence[Any]
    splits: Sequence[str]
    sources: Iterable[Source]


class ImageFolder(Dataset):
    """``FOLDER/CLASS/IMAGE``, which are dealt to the splits, or ``FOLDER/{train,valid,test}/CLASS/IMAGE``.

    Images are cut to a square from their middle, scaled to ``size`` and kept as bytes, encoded once.

    Args:
        path: The folder, below the data root unless it is absolute.
        size: Height and width of the images that models get; the default of ``data.size``.
        channels: 3 for colours, 1 for greys.
        valid: Share of the images to validate on, where they are dealt.
        test: Share to test on.
        name: See `Dataset`; by default the folder's own name.
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
        self._size = size
        self._path, self._channels, self._shares = Path(path), channels, (valid, test)
        said = setting(size, "Height and width of the images that models get.", low=1)
        made = make_dataclass(
            "ImageSettings", [("size", int, said)], bases=(ImageSettings,), frozen=True, kw_only=True
        )
        self.settings_type = cast(type[Settings], made)

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        options = (self._size_in(settings), self._channels, self._shares)
        return digest(self.name, _VERSION, self._content(root), options)

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        size = self._size_in(settings)
        checksum = self.checksum(root, settings)
        entry = cached(self.name, digest(checksum, _LAYOUT), lambda: self._encoded(root, size))
        labels = Labels(entry["labels"], tuple(entry["names"]))
        parts = zip(*(entry[name].split(entry["sizes"]) for name in ("images", "labels")), strict=True)
        train, valid, test = (ImageSplit(*part) for part in parts)
        return Data(
            train,
            valid,
            test,
            classes=labels.classes,
            checksum=checksum,
            extras=extras(labels, shape=list(entry["images"].shape[1:])),
            facts=entry["facts"],
        )

    def _content(self, root: Path) -> str:
        """Digest of the images and of their names."""
        folder = self._folder(root)
        paths = {path.relative_to(folder).as_posix(): path for path in self._images(folder)}

        def find() -> str:
            found = hashlib.sha256()
            for name, path in paths.items():
                found.update(f"{name} {files.digest_of(path)}\n".encode())
            return found.hexdigest()

        stats = [(name, path.stat()) for name, path in paths.items()]
        seen = digest(str(folder.resolve()), [[name, s.st_size, s.st_mtime_ns] for name, s in stats])
        return remembered(f"{self.name}-{seen}", find)

    def _pictures(self, root: Path) -> "Pictures":
        """The images' places, with the classes and splits that their folders name."""
        folder = self._folder(root)
        paths = list(self._images(folder))
        splits = [path.relative_to(folder).parts[0] for path in paths] if _is_split(folder) else []
        return Pictures(str(folder), [path.parent.name for path in paths], splits, paths)

    def _size_in(self, settings: Settings) -> int:
        return settings.size if isinstance(settings, ImageSettings) else self._size

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

    def _encoded(self, root: Path, size: int) -> Encoded:
        found = self._pictures(root)
        labels = labels_of(found.labels, False, found.where)
        splits = (
            by_name(found.splits, labels, *self._shares, found.where)
            if found.splits
            else dealt(labels, *self._shares, found.where)
        )
        order = torch.cat([splits[split] for split in SPLITS])
        import numpy as np

        images = np.empty((len(order), self._channels, size, size), dtype=np.uint8)
        for place, source in zip(order.argsort().tolist(), found.sources, strict=True):
            images[place] = self._pixels(source, size)
        pixels, sizes = torch.from_numpy(images), [len(splits[split]) for split in SPLITS]
        places = dict(zip(SPLITS, torch.arange(len(order)).split(sizes), strict=True))
        return {
            "images": pixels,
            "labels": labels.values[order],
            "sizes": sizes,
            "names": list(labels.names),
            "facts": repetitions(pixels, places),
        }

    def _pixels(self, source: Source, size: int) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
        from PIL import Image, ImageOps

        where, file = source if isinstance(source, tuple) else (str(source), source)
        try:
            with Image.open(file) as image:
                if image.mode in ("I", "F"):
                    raise UsageError(f"{where} has pixels of 32 bits; convert it to 8 or 16 bits")
                narrow = _of_8_bits(image) if image.mode.startswith("I;16") else image
                plain = narrow.convert("RGB" if self._channels == 3 else "L")
                fitted = ImageOps.fit(plain, (size, size))
        except UsageError:
            raise
        except Exception as error:  # Pillow's decoders fail in ways of their own
            raise UsageError(f"{where} cannot be read as an image ({first_line(error)})") from error
        import numpy as np

        pixels = np.asarray(fitted, dtype=np.uint8).reshape(size, size, self._channels)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _of_8_bits(image: Any) -> Any:
    """Scales an image of 16 bits a pixel to 8 bits; Pillow would clip it instead."""
    import numpy as np
    from PIL import Image

    return Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().astype(np.uint8))


def _is_split(folder: Path) -> bool:
    """Whether a folder's own folders are splits."""
    inside = {
        path.name.lower() for path in folder.iterdir() if path.is_dir() and not files.is_hidden(path.name)
    }
    return "train" in inside and inside <= _FOLDERS
