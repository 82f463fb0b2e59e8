"""Groups of examples that belong together, such as tweets about one event."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from dropattack import UsageError

_NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Groups:
    """The group of each example of three splits.

    Attributes:
        names: Names of all groups.
        train: Indices in ``names`` of the training examples' groups, ``[n]``, int64, on the CPU.
        valid: Those of the validation examples.
        test: Those of the test examples.

    Raises:
        UsageError: There are fewer than two groups, one has no example, or a name has other characters than
            letters, digits, ``_`` and ``-``.
    """

    names: Sequence[str]
    train: Tensor
    valid: Tensor
    test: Tensor

    def __post_init__(self) -> None:
        found = self.everyone.unique().tolist()
        if len(self.names) < 2 or found != list(range(len(self.names))):
            raise UsageError(
                f"groups must be at least two, each with examples; of {list(self.names)} only "
                f"numbers {found} have some"
            )
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise UsageError(f"a group's name has letters, digits, _ and -; rename {name!r}")

    @classmethod
    def of(cls, train: Sequence[str], valid: Sequence[str], test: Sequence[str]) -> Self:
        """Builds groups from the name of each example's group, ordered by name.

        Examples:
            >>> Groups.of(["paris", "oslo"], ["oslo"], ["paris"]).train
            tensor([1, 0])
        """
        names = sorted({*train, *valid, *test})
        places = {name: place for place, name in enumerate(names)}
        parts = (torch.tensor([places[name] for name in part]) for part in (train, valid, test))
        return cls(names, *parts)

    @property
    def everyone(self) -> Tensor:
        """The groups of all examples: of training, then validation, then test."""
        return torch.cat([self.train, self.valid, self.test])
