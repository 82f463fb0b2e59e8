"""A user's own texts in a CSV file, with any labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from dropattack import Settings, UsageError, setting
from dropattack.errors import unknown
from trainables.adapters.dealing import SPLITS, Labels, by_name
from trainables.data import files
from trainables.data.dataset import Data
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus, Documents
from trainables.datasets.texts import TextDataset


@dataclass(frozen=True, kw_only=True)
class OwnTextSettings(TextSettings):
    """How texts become token ids; by default without word vectors."""

    vectors: str = setting(
        "", "Word vectors in ROOT/glove, plain or .gz, trained further; empty for random ones."
    )


class Texts(TextDataset):
    """A CSV file with a text and a label in each row; a text of two splits stays in one of them.

    Args:
        path: The file, below the data root unless it is absolute; ``.gz`` is decompressed.
        text: Column of the text.
        label: Column of the label; labels may be any text.
        split: Column that names each row's split: train, valid or test. Without it rows are dealt.
        groups: Column that names each text's group, such as its author, of which trials may leave one out.
        valid: Share of the rows to validate on, where they are dealt.
        test: Share to test on.
        positive: Label of the positive class, for binary F1.
        name: See `Dataset`; by default the file's own name.
    """

    settings_type = OwnTextSettings

    def __init__(
        self,
        path: str | Path,
        *,
        text: str = "text",
        label: str = "label",
        split: str = "",
        groups: str = "",
        valid: float = 0.2,
        test: float = 0.2,
        positive: Any = None,
        name: str = "",
    ) -> None:
        if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
            raise UsageError(
                f"the shares valid={valid:g} and test={test:g} must be above 0, and together below 1"
            )
        self._path, self._text, self._label, self._split = Path(path), text, label, split
        self._groups, self.grouped = groups, bool(groups)
        self._shares, self._says = (valid, test), None if positive is None else str(positive)
        self.reads = (text, label, split, groups, valid, test)
        self.name = name or Path(path).name.partition(".")[0]
        self.positive = None if positive is None else 0  # which one is known with the labels; see `load`
        self._known: dict[str, list[str]] = {}

    @override
    def sources(self, root: Path, settings: Any) -> list[Path]:
        path = root / self._path
        if not path.is_file():
            raise UsageError(f"{path} is missing; put the texts there, or name their place with --data DIR")
        return [path]

    @override
    def classes_of(self, root: Path, settings: Any) -> int:
        return len(self._labels(root, settings))

    @override
    def read(self, root: Path, settings: Any) -> Corpus:
        where = self._path.name
        labels, rows = self._labels(root, settings), self._rows(root)
        numbers = [labels.index(row[self._label]) for row in rows]
        groups = [row[self._groups] for row in rows] if self._groups else []
        if "" in groups:
            place = groups.index("") + 1
            raise UsageError(f"{where}: text {place} has no group in {self._groups!r}; leave it out")
        whole = Documents([row[self._text] for row in rows], numbers, groups)
        if not self._split:
            valid, test, train = whole.parted(*self._shares)
            return train, valid, test
        classes = Labels(torch.tensor(numbers), tuple(labels))
        said = [row[self._split] for row in rows]
        splits = by_name(said, classes, *self._shares, f"{where}, {self._split}")
        train, valid, test = (whole.take(splits[split].tolist()) for split in SPLITS)
        return train, valid, test

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        data = super().load(root, settings)
        extras: Mapping[str, Any] = {**data.extras, "labels": self._labels(root, settings)}
        return replace(data, extras=extras)

    @override
    def positive_of(self, root: Path, settings: Any) -> int | None:
        labels = self._labels(root, settings)
        if self._says is not None and self._says not in labels:
            raise unknown(f"label of {self.name}", self._says, labels)
        return None if self._says is None else labels.index(self._says)

    def _rows(self, root: Path) -> list[dict[str, str]]:
        """Text, label and every other named column of each row."""
        columns = tuple(filter(None, (self._text, self._label, self._split, self._groups)))
        (path,) = self.sources(root, None)
        return [row for _, row in files.rows(path, columns)]

    def _labels(self, root: Path, settings: Any) -> list[str]:
        """The distinct labels, in order; read once while the files are unchanged."""
        seen = files.fingerprint(self.sources(root, settings))
        if seen not in self._known:
            self._known[seen] = self._labels_in({row[self._label] for row in self._rows(root)})
        return self._known[seen]

    def _labels_in(self, found: set[str]) -> list[str]:
        where = self._path.name
        if "" in found:
            raise UsageError(f"{where} has a row without a label in {self._label!r}; leave it out")
        if len(found) < 2:
            raise UsageError(f"{where} has one class only, {min(found)}; classes need at least two")
        return sorted(found, key=lambda said: (not said.isdigit(), int(said) if said.isdigit() else 0, said))
