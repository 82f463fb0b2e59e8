"""Labelled texts, and splits of them that share no text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from trainables.data.splits import stratified_subset

_SPLIT_SEED = 0


@dataclass(frozen=True)
class Documents:
    """Labelled texts in their order, without repetition of the same source.

    Attributes:
        texts: The texts, unchanged.
        labels: Their classes.
        groups: The name of each text's group; empty if they have none.
    """

    texts: Sequence[str]
    labels: Sequence[int]
    groups: Sequence[str] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, int]]) -> "Documents":
        """Builds documents from ``(text, label)`` pairs."""
        listed = list(pairs)
        return cls([text for text, _ in listed], [label for _, label in listed])

    @classmethod
    def grouped(cls, rows: Iterable[tuple[str, int, str]]) -> "Documents":
        """Builds documents from ``(text, label, group)``; without groups if one of them is empty."""
        listed = list(rows)
        texts, groups = [text for text, *_ in listed], [group for *_, group in listed]
        return cls(texts, [label for _, label, _ in listed], groups if all(groups) else ())

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Iterable[int]) -> "Documents":
        """The documents at ``indices``."""
        chosen = list(indices)
        groups = [self.groups[i] for i in chosen] if self.groups else ()
        return Documents([self.texts[i] for i in chosen], [self.labels[i] for i in chosen], groups)

    def parted(self, *shares: float) -> list["Documents"]:
        """Disjoint stratified parts of these shares, and the rest, always in the same way.

        Equal texts all go to the rest, as long as their class has others, so that the parts share none; see
        `wording`.
        """
        wordings = list(map(wording, self.texts))
        counts = Counter(wordings)
        drawn = stratified_subset(torch.tensor(self.labels), len(self), _SPLIT_SEED).tolist()
        # The classes keep their places, and within each the texts that occur once come first.
        members: dict[int, list[int]] = {label: [] for label in self.labels}
        for i in sorted(drawn, key=lambda i: counts[wordings[i]] > 1):
            members[self.labels[i]].append(i)
        turns = {label: iter(listed) for label, listed in members.items()}
        order = [next(turns[self.labels[i]]) for i in drawn]
        parts, start = [], 0
        for share in shares:
            stop = start + round(share * len(self))
            parts.append(self.take(order[start:stop]))
            start = stop
        return [*parts, self.take(order[start:])]


Corpus = tuple[Documents, Documents, Documents]
"""Training, validation and test documents."""


def wording(written: str) -> str:
    """A text without case and white space, by which equal texts are found."""
    return " ".join(written.casefold().split())


def apart(corpus: Corpus) -> Corpus:
    """Removes texts of a corpus so that none is in two splits.

    The test split stays as it is. Validation loses the texts of test, and training those of both.
    """
    kept: list[Documents] = []
    held: set[str] = set()
    for part in reversed(corpus):
        wordings = list(map(wording, part.texts))
        kept.append(part.take(i for i, worded in enumerate(wordings) if worded not in held))
        held.update(wordings)
    test, valid, train = kept
    return train, valid, test
