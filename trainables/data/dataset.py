"""The data that a model trains on: three splits that yield batches, and their source."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dropattack import Settings, UsageError
from dropattack.robustness import UNIT, Bounds
from dropattack.task import WordsOf
from trainables.data.groups import Groups
from trainables.data.splits import Split, TextSplit
from trainables.data.streamed import placed


@dataclass(frozen=True)
class Data:
    """A dataset, split.

    Attributes:
        train: Examples to learn from.
        valid: Examples that choose hyperparameters, the end of a training and the best checkpoint.
        test: Examples that are used once, at the end.
        classes: Number of labels.
        checksum: Digest of the raw content and of how it was split and encoded.
        positive: The positive class of binary F1, if there is one, such as rumours.
        extras: What a model is built from beside the number of classes, such as word vectors.
        bounds: Smallest and largest value of a continuous input, numbers or ``[channels, 1, 1]``. Attacks
            stay inside them, and their ε of 1 is the distance between them.
        facts: Numbers that describe the encoding, for the record: shares of unknown words, texts left out.
        groups: The group of each example, if they have groups; a trial may leave one out.
        words: Separates words from padding, which no method attacks; see `Task.words`. A `TextSplit` needs
            none.
    """

    train: Split
    valid: Split
    test: Split
    classes: int
    checksum: str
    positive: int | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    bounds: Bounds = UNIT
    facts: Mapping[str, float] = field(default_factory=dict)
    words: WordsOf | None = None
    groups: Groups | None = None

    def __post_init__(self) -> None:
        if self.words is None and isinstance(self.train, TextSplit):
            object.__setattr__(self, "words", TextSplit.words)
        for name in ("train", "valid", "test") if self.groups is not None else ():
            groups, examples = len(getattr(self.groups, name)), len(getattr(self, name))
            if groups != examples:
                raise UsageError(f"Data.groups holds {groups} {name} examples, and there are {examples}")

    @property
    def features(self) -> int:
        """Number of numbers in an example that is a row of them: a layer's ``in_features``.

        Raises:
            UsageError: Examples are no rows of numbers.
        """
        if "features" not in self.extras:
            raise UsageError("examples are no rows of numbers; build the model by data.shape")
        return int(self.extras["features"])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an example, such as ``(3, 32, 32)``.

        Raises:
            UsageError: The dataset has no one shape, as for texts, whose lengths differ.
        """
        if "shape" not in self.extras:
            raise UsageError(
                "the examples of this dataset have no one shape; keep it in Data.extras['shape']"
            )
        return tuple(self.extras["shape"])

    def to(self, device: torch.device) -> "Data":
        """The same data with examples and bounds on a device, where trials can share them; see `placed`."""
        train, valid, test = placed((self.train, self.valid, self.test), device)
        low, high = (b.to(device) if isinstance(b, torch.Tensor) else b for b in self.bounds)
        return replace(self, train=train, valid=valid, test=test, bounds=(low, high))


class Dataset(ABC):
    """A source of `Data`. Subclasses declare `name`, `settings_type`, `checksum` and `load`.

    Attributes:
        name: Name in commands and messages.
        settings_type: The options that a sweep may set.
        published: Number of examples of the complete dataset, if a part of it may be in use.
        positive: The positive class of binary F1, if there is one.
        words: Whether examples are texts, whose ``input`` is the embedding of their words.
        inputs: Names of the inputs of fractions, if a model is called with several by name; each is a target,
            ``input.image``.
        grouped: Whether its data may name the group of each example; see `Data.groups`.
    """

    name: str
    words: bool = False
    published: int | None = None
    positive: int | None = None
    inputs: tuple[str, ...] = ()
    grouped: bool = False
    settings_type: type[Settings] = Settings

    @abstractmethod
    def checksum(self, root: Path, settings: Settings) -> str:
        """Computes a digest of everything the loaded data depend on.

        Raises:
            UsageError: Files are missing, truncated or of other content.
        """

    @abstractmethod
    def load(self, root: Path, settings: Settings) -> Data:
        """Loads the data, encoded on first use and mapped from the node's cache from then on.

        Raises:
            UsageError: As `checksum` does.
        """

    def incomplete(self, root: Path, settings: Settings) -> str:
        """The part that is here of the published dataset: ``400 of the 127,600 published examples``.

        Returns:
            Empty text if the dataset is complete, or if the published number is unknown.

        Raises:
            UsageError: As `checksum` does.
        """
        return ""
