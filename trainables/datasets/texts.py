"""The base of all text datasets: a labelled corpus, split, becomes token ids in the node's cache."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from dropattack import Settings, UsageError
from trainables.data import files, text
from trainables.data.cache import Encoded, cached, remembered
from trainables.data.dataset import Data, Dataset
from trainables.data.groups import Groups
from trainables.data.splits import TextSplit
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus, apart, wording
from trainables.digest import digest

_LOG = logging.getLogger(__name__)
_ENCODER_VERSION = 2
_FEWEST = 2
"""Groups, of which a trial may leave one out."""
_NAMES = ("train", "valid", "test")


class TextDataset(Dataset):
    """A source of texts. Subclasses declare `name`, `settings_type`, `classes`, `sources` and `read`."""

    words = True
    settings_type: type[TextSettings] = TextSettings
    classes: int
    positive: int | None = None
    reads: tuple[Any, ...] = ()
    """What a dataset knows of its files beside its settings, such as columns."""

    @abstractmethod
    def sources(self, root: Path, settings: Any) -> list[Path]:
        """Lists the files that hold the corpus.

        Raises:
            UsageError: Some are missing.
        """

    @abstractmethod
    def read(self, root: Path, settings: Any) -> Corpus:
        """Reads the corpus and splits it by these settings; a text may be in two splits, see `apart`.

        Raises:
            UsageError: A file has other content than expected.
        """

    def classes_of(self, root: Path, settings: Any) -> int:
        """Number of labels; a dataset whose labels are known with its files overrides this."""
        return self.classes

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; it covers the texts and labels, and not the layout of the files."""
        assert isinstance(settings, TextSettings)
        vectors = files.content_digest(text.vectors_file(root, settings.vectors)) if settings.vectors else ""
        corpus = self.corpus_digest(root, settings)
        return digest(self.name, settings.digested(), corpus, vectors, _ENCODER_VERSION)

    @override
    def load(self, root: Path, settings: Settings) -> Data:
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
            classes=self.classes_of(root, settings),
            checksum=content,
            positive=self.positive_of(root, settings),
            extras={name: entry[name] for name in ("vocabulary_size", "words", "known", "vectors")},
            facts=entry["facts"],
            groups=self.groups_of(root, settings),
        )

    @override
    def incomplete(self, root: Path, settings: Settings) -> str:
        """See `Dataset.incomplete`; counted once while the files are unchanged."""
        assert isinstance(settings, TextSettings)
        if self.published is None:
            return ""
        seen = files.fingerprint(self.sources(root, settings))

        def find() -> str:
            return str(sum(map(len, self.read(root, settings))))

        total = int(
            remembered(f"{self.name}-size-{digest(seen, settings.digested(), _ENCODER_VERSION)}", find)
        )
        return f"{total:,} of the {self.published:,} published examples" if total < self.published else ""

    def positive_of(self, root: Path, settings: Any) -> int | None:
        """The positive class; a dataset that knows it with its files overrides this."""
        return self.positive

    def groups_of(self, root: Path, settings: TextSettings) -> Groups | None:
        """The group of each text, if they have groups; cached apart from the encoding."""
        if not self.grouped:
            return None

        def find() -> Encoded:
            corpus, _ = self.documents(root, settings)
            named = {group for part in corpus for group in part.groups}
            if len(named) < _FEWEST or not all(part.groups for part in corpus):
                return {"names": []}
            found = Groups.of(*(part.groups for part in corpus))
            return {"names": list(found.names), **{name: getattr(found, name) for name in _NAMES}}

        entry = cached(f"{self.name}-groups", self._seen(root, settings), find)
        return Groups(**entry) if entry["names"] else None

    def corpus_digest(self, root: Path, settings: TextSettings) -> str:
        """Digest of the split corpus, cached while its files are unchanged."""

        def find() -> str:
            corpus, _ = self.documents(root, settings)
            return digest([[part.texts, part.labels] for part in corpus])

        return remembered(f"{self.name}-{self._seen(root, settings)}", find)

    def _seen(self, root: Path, settings: TextSettings) -> str:
        """A short name of these files' present state and of how they are read."""
        seen = files.fingerprint(self.sources(root, settings))
        return digest(seen, settings.digested(), _ENCODER_VERSION, *map(str, self.reads))

    def documents(self, root: Path, settings: TextSettings) -> tuple[Corpus, dict[str, float]]:
        """The corpus with its splits apart, and the number of texts removed for it; see `Data.facts`."""
        listed = self.read(root, settings)
        corpus = apart(listed)
        classes = self.classes_of(root, settings)
        facts: dict[str, float] = {}
        for name, part, whole in zip(_NAMES, corpus, listed, strict=True):
            left_out = len(whole) - len(part)
            if len(set(part.labels)) < classes:
                why = f"{left_out:,} are also in another split" if left_out else "are files missing?"
                raise UsageError(
                    f"{self.name}: the {name} split has {len(part)} texts "
                    f"of {len(set(part.labels))} classes, not of {classes}; {why}"
                )
            if name != "test":
                facts[f"{name}_left_out"] = left_out
        facts["train_repeated"] = len(corpus[0]) - len(set(map(wording, corpus[0].texts)))
        return corpus, facts

    def _encode(self, root: Path, settings: TextSettings) -> Encoded:
        splits, facts = self.documents(root, settings)
        for fact, count in facts.items():
            _LOG.info("%s: %d", fact, count)
        corpus = dict(zip(_NAMES, splits, strict=True))
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
            "facts": facts | text.unknown_shares(tokenized, words, known),
        }
        for name, part in corpus.items():
            ids, lengths = text.encode(tokenized[name], words, settings.fix_length)
            entry |= {
                f"{name}_tokens": ids,
                f"{name}_lengths": lengths,
                f"{name}_labels": torch.tensor(part.labels),
            }
        return entry
