"""Texts for a transformer, in a pretrained model's own tokens or in the words of the texts."""

from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from typing_extensions import override

from dropattack import Settings, setting
from trainables.adapters import pretrained as models
from trainables.data import text
from trainables.data.cache import Encoded, cached
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import PADDING, TextSplit
from trainables.data.text import TextSettings
from trainables.datasets.documents import Corpus
from trainables.datasets.texts import TextDataset
from trainables.digest import digest

_VERSION = 1
_NAMES = ("train", "valid", "test")
_WORDS, _START = 30_000, "[CLS]"
"""Size of a vocabulary of the texts' own, about BERT's; and the token that each text then starts with."""


@dataclass(frozen=True, kw_only=True)
class TokenSettings(Settings):
    """How texts become a transformer's tokens.

    Attributes:
        usual: The pretrained model to use where ``pretrained`` is empty; may be empty too, for none.
    """

    usual: ClassVar[str] = ""
    pretrained: str = setting(
        "", "Folder of a pretrained model, or its name at Hugging Face; empty for the workload's own."
    )
    longest: int = setting(128, "Tokens kept of each text, from its start.", low=1)

    @property
    def model(self) -> str:
        """Folder or name of the pretrained model; empty for none."""
        return self.pretrained or self.usual


class Tokenized(Dataset):
    """The texts of another dataset in the tokens of a pretrained model, or in words of their own.

    Words of their own are the most frequent 30,000 of the training texts, in torchtext's basic_english. Each
    text then starts with a token that stands for the whole of it.

    Args:
        texts: `Texts`, or a text dataset that ships; its own settings, such as PHEME's ``threads``, stay.
        pretrained: Folder of the model, or its name at Hugging Face, where ``data.pretrained`` is empty;
            empty for words of their own.
        longest: Tokens kept of each text; the default of ``data.longest``.
        name: See `Dataset`; by default the name of the texts.
    """

    words = True

    def __init__(
        self, texts: TextDataset, pretrained: str | Path = "", longest: int = 128, name: str = ""
    ) -> None:
        self.name = name or texts.name
        self.positive, self.grouped, self.published = texts.positive, texts.grouped, texts.published
        self._texts = texts
        encoding = set(TextSettings.ranges())
        self._own = [field for field in fields(texts.settings_type) if field.name not in encoding]
        kept = setting(longest, "Tokens kept of each text, from its start.", low=1)
        own = [
            (f.name, type(f.default), setting(f.default, r.doc, low=r.low, high=r.high, choices=r.choices))
            for f in self._own
            for r in (f.metadata["range"],)
        ]
        made = make_dataclass(
            "TokenSettings",
            [("longest", int, kept), *own],
            bases=(TokenSettings,),
            namespace={"usual": str(pretrained)},
            frozen=True,
            kw_only=True,
        )
        self.settings_type = cast(type[Settings], made)

    def _reading(self, settings: TokenSettings) -> TextSettings:
        """The settings that the texts themselves are read with."""
        own = {field.name: getattr(settings, field.name) for field in self._own}
        return self._texts.settings_type.from_dict({"vectors": "", **own})

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        assert isinstance(settings, TokenSettings)
        corpus = self._texts.corpus_digest(root, self._reading(settings))
        model = models.content_of(models.folder_of(settings.model)) if settings.model else ""
        return digest(self.name, _VERSION, corpus, model, settings.longest)

    @override
    def incomplete(self, root: Path, settings: Settings) -> str:
        """See `Dataset.incomplete`; it is that of the texts."""
        assert isinstance(settings, TokenSettings)
        return self._texts.incomplete(root, self._reading(settings))

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        assert isinstance(settings, TokenSettings)
        content, reading = self.checksum(root, settings), self._reading(settings)
        entry = cached(self.name, content, lambda: self._encode(root, settings))
        train, valid, test = (
            TextSplit(entry[f"{name}_tokens"], entry[f"{name}_lengths"], entry[f"{name}_labels"])
            for name in _NAMES
        )
        extras = {name: entry[name] for name in entry if name in ("configuration", "pad", "words")}
        if settings.model:
            extras["pretrained"] = str(models.folder_of(settings.model))
        else:
            extras |= {"vocabulary_size": entry["vocabulary_size"], "longest": settings.longest}
        return Data(
            train,
            valid,
            test,
            classes=self._texts.classes_of(root, reading),
            checksum=content,
            positive=self._texts.positive_of(root, reading),
            extras=extras,
            facts=entry["facts"],
            groups=self._texts.groups_of(root, reading),
        )

    def _encode(self, root: Path, settings: TokenSettings) -> Encoded:
        corpus, facts = self._texts.documents(root, self._reading(settings))
        ids, entry = _own_words(corpus, settings) if not settings.model else _model_tokens(corpus, settings)
        entry["facts"] = facts
        for name, part, own in zip(_NAMES, corpus, ids, strict=True):
            lengths = torch.tensor([len(tokens) for tokens in own])
            tokens = torch.full((len(own), int(lengths.max())), PADDING, dtype=torch.int32)
            for row, listed in zip(tokens, own, strict=True):
                row[: len(listed)] = torch.tensor(listed, dtype=torch.int32)
            entry |= {
                f"{name}_tokens": tokens,
                f"{name}_lengths": lengths,
                f"{name}_labels": torch.tensor(part.labels),
            }
        return entry


Ids = list[list[list[int]]]
"""By split and text, the ids of its tokens."""


def _model_tokens(corpus: Corpus, settings: TokenSettings) -> tuple[Ids, dict[str, Any]]:
    """Ids from a pretrained model's tokenizer, and what else its model is built from."""
    folder = models.folder_of(settings.model)
    with models.quietly() as library:
        tokenizer = models.read(library.AutoTokenizer.from_pretrained, folder)
        configuration = models.read(library.AutoConfig.from_pretrained, folder)
    ids = [
        tokenizer(list(part.texts), truncation=True, max_length=settings.longest)["input_ids"]
        for part in corpus
    ]
    pad = tokenizer.pad_token_id
    return ids, {"configuration": configuration.to_json_string(), "pad": 0 if pad is None else int(pad)}


def _own_words(corpus: Corpus, settings: TokenSettings) -> tuple[Ids, dict[str, Any]]:
    """Ids of words, after the id of the token that each text starts with; and the vocabulary."""
    tokenize = text.tokenizer("basic_english")
    tokenized = [[tokenize(each) for each in part.texts] for part in corpus]
    words = text.vocabulary(tokenized[0], _WORDS)
    start = words[_START] = len(words)
    ids: Ids = []
    for part in tokenized:
        rows, lengths = text.encode(part, words, settings.longest)
        pairs = zip(rows.tolist(), lengths.tolist(), strict=True)
        ids.append([[start, *row[:length]][: settings.longest] for row, length in pairs])
    listed = torch.frombuffer(bytearray("\n".join(words).encode()), dtype=torch.uint8)
    return ids, {"pad": PADDING, "vocabulary_size": len(words), "words": listed}
