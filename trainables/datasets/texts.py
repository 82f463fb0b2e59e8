"""What all text datasets share: a labelled corpus, split, becomes token ids in the node's cache."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dropattack import Settings, UsageError
from trainables import files, text
from trainables.cache import Encoded, cache_root, cached, digest, write_atomically
from trainables.data import Data, Dataset
from trainables.splits import TextSplit, stratified_subset
from trainables.text import TextSettings

_ENCODER_VERSION = 1
_SPLIT_SEED = 0
_NAMES = ("train", "valid", "test")


@dataclass(frozen=True)
class Documents:
    """Labelled texts in their order, without repetition of the same source."""

    texts: Sequence[str]
    labels: Sequence[int]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, int]]) -> "Documents":
        """From ``(text, label)`` pairs."""
        listed = list(pairs)
        return cls([text for text, _ in listed], [label for _, label in listed])

    def __add__(self, other: "Documents") -> "Documents":
        return Documents([*self.texts, *other.texts], [*self.labels, *other.labels])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Iterable[int]) -> "Documents":
        """The documents at ``indices``."""
        return Documents.of((self.texts[i], self.labels[i]) for i in indices)

    def parted(self, *shares: float) -> list["Documents"]:
        """Disjoint stratified parts of these shares, and the rest, always in the same way."""
        order = stratified_subset(torch.tensor(self.labels), len(self), _SPLIT_SEED).tolist()
        parts, start = [], 0
        for share in shares:
            stop = start + round(share * len(self))
            parts.append(self.take(order[start:stop]))
            start = stop
        return [*parts, self.take(order[start:])]


Corpus = tuple[Documents, Documents, Documents]
"""Training, validation and test documents."""


class TextDataset(Dataset):
    """A source of texts. Subclasses declare `name`, `settings_type`, `classes`, `sources` and `read`."""

    settings_type: type[TextSettings] = TextSettings
    classes: int
    positive: int | None = None

    @abstractmethod
    def sources(self, root: Path, settings: Any) -> list[Path]:
        """The files that the corpus is read from.

        Raises:
            UsageError: Some are missing.
        """

    @abstractmethod
    def read(self, root: Path, settings: Any) -> Corpus:
        """The corpus as these settings split it.

        Raises:
            UsageError: A file is not what it should be.
        """

    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; the layout of the files does not matter, only what they say."""
        assert isinstance(settings, TextSettings)
        vectors = files.content_digest(text.vectors_file(root, settings.vectors)) if settings.vectors else ""
        corpus = self._corpus_digest(root, settings)
        return digest(self.name, settings.to_dict(), corpus, vectors, _ENCODER_VERSION)

    def load(self, root: Path, settings: Settings) -> Data:
        """See `Dataset.load`."""
        assert isinstance(settings, TextSettings)
        content = self.checksum(root, settings)
        entry = cached(self.name, content, lambda: self._encode(root, settings))
        splits = {
            name: TextSplit(entry[f"{name}_tokens"], entry[f"{name}_lengths"], entry[f"{name}_labels"])
            for name in _NAMES
        }
        return Data(
            train=splits["train"],
            valid=splits["valid"],
            test=splits["test"],
            classes=self.classes,
            checksum=content,
            positive=self.positive,
            extras={name: entry[name] for name in ("vocabulary_size", "words", "known", "vectors")},
            facts=entry["facts"],
        )

    def _corpus_digest(self, root: Path, settings: TextSettings) -> str:
        """Digest of the split corpus, remembered as long as its files are unchanged."""
        seen = files.fingerprint(self.sources(root, settings))
        memo = cache_root() / "digests" / f"{self.name}-{digest(seen, settings.to_dict(), _ENCODER_VERSION)}"
        if not memo.exists():
            corpus = self._read(root, settings)
            found = digest([[part.texts, part.labels] for part in corpus])
            write_atomically(memo, found.encode())
        return memo.read_text()

    def _read(self, root: Path, settings: TextSettings) -> Corpus:
        corpus = self.read(root, settings)
        for name, part in zip(_NAMES, corpus, strict=True):
            if len(set(part.labels)) < self.classes:
                raise UsageError(
                    f"{self.name}: the {name} split has {len(part)} texts "
                    f"of {len(set(part.labels))} classes, not of {self.classes}; are files missing?"
                )
        return corpus

    def _encode(self, root: Path, settings: TextSettings) -> Encoded:
        corpus = dict(zip(_NAMES, self._read(root, settings), strict=True))
        tokenize = text.tokenizer(settings.tokenizer)
        tokenized = {name: [tokenize(t) for t in part.texts] for name, part in corpus.items()}
        built_on = _NAMES if settings.vocabulary_from == "all" else ("train",)
        words = text.vocabulary(
            (tokens for name in built_on for tokens in tokenized[name]), settings.vocabulary_size
        )
        known = vectors = None
        if settings.vectors:
            known, vectors = text.read_vectors(text.vectors_file(root, settings.vectors), words)
        entry: Encoded = {
            "vocabulary_size": len(words),
            "words": torch.frombuffer(bytearray("\n".join(words).encode()), dtype=torch.uint8),
            "known": known,
            "vectors": vectors,
            "facts": text.unknown_shares(tokenized, words, known),
        }
        for name, part in corpus.items():
            ids, lengths = text.encode(tokenized[name], words, settings.fix_length)
            entry |= {
                f"{name}_tokens": ids,
                f"{name}_lengths": lengths,
                f"{name}_labels": torch.tensor(part.labels),
            }
        return entry
