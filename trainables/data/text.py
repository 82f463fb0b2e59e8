"""From texts to token ids and word vectors: the only module that uses torchtext.

It does not use torchtext's own `Vectors` reader, which switches off certificate checks for the whole process
and does not name the broken line of a file.
"""

import logging
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dropattack import Settings, UsageError, setting
from trainables.data import files
from trainables.data.splits import PADDING, UNKNOWN
from trainables.data.tokens import notebook_tokens

_LOG = logging.getLogger(__name__)
_UNKNOWN_WORD, _PADDING_WORD = "<unk>", "<pad>"
_TOKENIZERS = ("basic_english", "notebook")


@dataclass(frozen=True, kw_only=True)
class TextSettings(Settings):
    """How texts become token ids; the defaults are the paper's choices, where it states any."""

    tokenizer: str = setting(
        "basic_english",
        "torchtext's basic_english, or the notebooks' Treebank tokens without stop words.",
        choices=_TOKENIZERS,
    )
    fix_length: int = setting(256, "Tokens kept of each text, from its start; 0 for all.", low=0)
    vocabulary_size: int = setting(250_000, "Most frequent words kept.", low=1)
    vocabulary_from: str = setting(
        "train",
        "Splits that the vocabulary is built on; 'all' leaks validation and test words, as the notebooks do.",
        choices=("train", "all"),
    )
    vectors: str = setting(
        "glove.6B.300d.txt",
        "Word vectors in ROOT/glove, plain or .gz, trained further; empty for random ones.",
    )

    def digested(self) -> dict[str, Any]:
        """The settings that enter the digest of the data: all of them, by name.

        A later version leaves a new setting out at its default, so that the digest of no data changes.
        """
        return self.to_dict()


def tokenizer(name: str) -> Callable[[str], list[str]]:
    """The tokenizer of that name; see `TextSettings`."""
    if name == "notebook":
        return notebook_tokens
    from torchtext.data.utils import get_tokenizer

    found: Callable[[str], list[str]] = get_tokenizer(name)
    return found


def vocabulary(tokenized: Iterable[Sequence[str]], size: int) -> dict[str, int]:
    """The ``size`` most frequent words with their ids, after those of unknown words and padding."""
    from torchtext.vocab import Vocab

    counts = Counter(token for tokens in tokenized for token in tokens)
    built = Vocab(counts, max_size=size, specials=[_UNKNOWN_WORD, _PADDING_WORD])
    words = {word: index for index, word in enumerate(built.itos)}
    assert (words[_UNKNOWN_WORD], words[_PADDING_WORD]) == (UNKNOWN, PADDING)
    return words


def words(extras: Mapping[str, Any]) -> list[str]:
    """The vocabulary of a text dataset, or of a saved model, in the order of its ids; see `Data.extras`."""
    listed: list[str] = extras["words"].numpy().tobytes().decode().split("\n")
    return listed


def encode(
    tokenized: Sequence[Sequence[str]], words: dict[str, int], fix_length: int
) -> tuple[Tensor, Tensor]:
    """Token ids ``[n, longest]``, int32, and lengths ``[n]``, int64.

    A text without any token becomes one unknown word, since no model can read an empty text.
    """
    kept = [tokens[: fix_length or None] or (_UNKNOWN_WORD,) for tokens in tokenized]
    lengths = torch.tensor([len(tokens) for tokens in kept])
    ids = torch.full((len(kept), int(lengths.max())), PADDING, dtype=torch.int32)
    for row, tokens in zip(ids, kept, strict=True):
        row[: len(tokens)] = torch.tensor([words.get(token, UNKNOWN) for token in tokens], dtype=torch.int32)
    return ids, lengths


def vectors_file(root: Path, name: str) -> Path:
    """The file of word vectors of that name below ``ROOT/glove``, plain or ``.gz``.

    Raises:
        UsageError: There is no such file; the message lists the files there.
    """
    folder = root / "glove"
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    there = sorted(path.name.removesuffix(".gz") for path in folder.glob("[!.]*.txt*"))
    raise UsageError(
        f"{folder / name} is missing; run `dropattack data fetch glove --data DIR`, put the file there, "
        f"or set data.vectors to a file there ({', '.join(there) or 'none'}) or to '' for random vectors"
    )


def read_vectors(path: Path, words: dict[str, int]) -> tuple[Tensor, Tensor]:
    """Reads the vectors of known words from a GloVe text file: each line a word and its numbers.

    Returns:
        Ids of the words that have a vector, ``[known]``, int64, ascending; the vectors, ``[known, size]``.

    Raises:
        UsageError: A line has another number of values than the first, or a known word's line has a value
            that is not a finite number.
    """
    found: dict[int, array[float]] = {}
    values = ""
    for where, word, values in _entries(path):
        if word in words:
            found[words[word]] = _numbers(values, where)
    size = _count(values)
    known = torch.tensor(sorted(found), dtype=torch.int64)
    vectors = torch.tensor([list(found[index]) for index in known.tolist()]).view(len(known), size)
    return known, vectors


def check_vectors(path: Path) -> tuple[int, int]:
    """Reads every number of a file of word vectors.

    Returns:
        How many vectors it holds, and their size.

    Raises:
        UsageError: A line has another number of values than the first, or a value that is not finite.
    """
    sizes = [len(_numbers(values, where)) for where, _, values in _entries(path)]
    return len(sizes), sizes[0]


def _entries(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yields each vector's place in its file, its word, and its numbers, as many as the first line has.

    Words may hold spaces, as GloVe's ``. . .`` does. A first line that counts words and numbers, as in files
    of fastText and word2vec, is no vector.
    """
    size = said = 0
    for number, (where, line) in enumerate(files.lines(path)):
        line = line.rstrip(" \t")
        if size and line.count(" ") == size:  # as nearly all are
            word, _, rest = line.partition(" ")
            yield where, word, rest
            continue
        word, *values = line.split(" ")
        if not number and len(values) == 1 and word.isdecimal() and values[0].isdecimal():
            said = int(values[0])
            continue
        size = size or said or sum(1 for _ in takewhile(_is_number, reversed(values))) or len(values)
        more = len(values) - size
        if more < 0 or not size or (more and all(map(_is_number, values[:more]))):
            raise UsageError(f"{where}: {len(values)} numbers for {word!r}, not {size}")
        yield where, " ".join([word, *values[:more]]), " ".join(values[more:])
    if not size:
        raise UsageError(f"{path} holds no vectors; fetch it again")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _count(values: str) -> int:
    return values.count(" ") + 1 if values else 0


def _numbers(values: str, where: str) -> "array[float]":
    try:
        numbers = array("f", map(float, values.split(" ")))
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    if not all(map(math.isfinite, numbers)):
        raise UsageError(f"{where}: a number is not finite")
    return numbers


def unknown_shares(
    splits: Mapping[str, Sequence[Sequence[str]]], words: dict[str, int], known: Tensor | None
) -> dict[str, float]:
    """Shares of running words outside the vocabulary, by split, and of the vocabulary without a vector."""
    shares = {
        f"{split}_unknown_share": sum(token not in words for tokens in texts for token in tokens)
        / max(1, sum(map(len, texts)))
        for split, texts in splits.items()
    }
    if known is not None:
        shares["without_vector_share"] = 1 - len(known) / max(1, len(words) - 2)
    for name, share in shares.items():
        _LOG.info("%s: %.2f %%", name, 100 * share)
    return shares
