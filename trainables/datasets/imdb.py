"""IMDB reviews (Maas et al., 2011): the official archive, its unpacked tree, or a table of all reviews."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from dropattack import UsageError, setting
from trainables.data import files
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus, Documents
from trainables.datasets.texts import TextDataset

_ARCHIVE, _FOLDER = "aclImdb_v1.tar.gz", "aclImdb"
_TABLE = "IMDB_Dataset.csv"
_LABELS, _SENTIMENTS = ("neg", "pos"), ("negative", "positive")
_OFFICIAL_VALID = 0.1
_REVIEW = re.compile(r"\d+_\d+\.txt")


@dataclass(frozen=True, kw_only=True)
class ImdbSettings(TextSettings):
    """How the reviews are split and encoded."""

    split: str = setting(
        "paper",
        "paper: all 50,000 drawn anew, 40k/5k/5k; official: 22.4k/2.5k/25k, the test half as published.",
        choices=("paper", "official"),
    )


class Imdb(TextDataset):
    """50,000 labelled reviews; class 1 is positive."""

    name = "imdb"
    settings_type = ImdbSettings
    published = 50_000
    classes = 2

    @override
    def sources(self, root: Path, settings: ImdbSettings) -> list[Path]:
        """See `TextDataset.sources`; it prefers the tree to the archive, and the archive to the table."""
        folder = root / _FOLDER
        if not folder.is_dir():
            table_will_do = settings.split == "paper" and (root / _TABLE).is_file()
            if table_will_do and not (root / _ARCHIVE).is_file():
                return [root / _TABLE]
            return [files.require(root / _ARCHIVE, self.name)]
        found = [
            path
            for half in ("train", "test")
            for label in _LABELS
            for path in sorted(files.require(folder / half / label, self.name).glob("[!.]*.txt"))
        ]
        if not found:
            raise UsageError(f"{folder} holds no reviews; fetch {self.name} again")
        return found

    @override
    def read(self, root: Path, settings: ImdbSettings) -> Corpus:
        sources = self.sources(root, settings)
        if sources[0].name == _TABLE:
            pooled = list(_tabled(sources[0]))
        else:
            halves = _halves(root, sources)
            if settings.split == "official":
                train, test = (Documents.of(half) for half in halves)
                valid, train = train.parted(_OFFICIAL_VALID)
                return train, valid, test
            pooled = [review for half in halves for review in half]
        # In the order of the texts, so that every layout is split alike.
        valid, test, train = Documents.of(sorted(pooled)).parted(0.1, 0.1)
        return train, valid, test


def _tabled(path: Path) -> Iterator[tuple[str, int]]:
    for where, row in files.rows(path, ("review", "sentiment")):
        yield row["review"], files.label(row["sentiment"], where, _SENTIMENTS)


def _halves(root: Path, sources: list[Path]) -> list[list[tuple[str, int]]]:
    """Reviews of the training half and of the test half, in the order of their names."""
    archive = sources[0].name == _ARCHIVE
    place = root / _ARCHIVE if archive else root / _FOLDER
    reviews = _archived(sources[0]) if archive else _unpacked(root / _FOLDER, sources)
    halves: dict[str, dict[str, tuple[str, int]]] = {"train": {}, "test": {}}
    for name, content in reviews:
        half, label, file = name.split("/")
        where = f"{place}: {_FOLDER}/{name}" if archive else str(place / name)
        if name in halves[half]:
            raise UsageError(f"{place}: member {_FOLDER}/{name} is there twice; fetch the archive again")
        if not _REVIEW.fullmatch(file):
            raise UsageError(
                f"{where} is none of the published reviews, whose names are ID_RATING.txt; remove it"
            )
        if not content.strip():
            raise UsageError(f"{where} is empty; fetch the dataset again")
        halves[half][name] = (files.text(content, where), _LABELS.index(label))
    for half, found in halves.items():
        if not found:
            raise UsageError(
                f"{place} holds no reviews {_FOLDER}/{half}/{{neg,pos}}/ID_RATING.txt; fetch it again"
            )
    return [[review for _, review in sorted(half.items())] for half in halves.values()]


def _archived(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names below the top folder, and contents, of the reviews in the archive."""
    for name, content in files.archived(path, _is_review):
        yield name.partition("/")[2], content


def _is_review(name: str) -> bool:
    match name.split("/"):
        case [top, "train" | "test", "neg" | "pos", name]:
            return top == _FOLDER and name.endswith(".txt")
    return False


def _unpacked(folder: Path, paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        yield path.relative_to(folder).as_posix(), files.read(path)
