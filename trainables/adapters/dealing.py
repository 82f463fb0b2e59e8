"""Deals a user's examples to the three splits, and turns their labels into classes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dropattack import UsageError
from dropattack.errors import first_line
from trainables.data.splits import stratified_subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SEED = 0
TRAIN, VALID, TEST = "train", "valid", "test"
SPLITS = (TRAIN, VALID, TEST)
_ALSO = {"validation": VALID, "val": VALID, "dev": VALID, "training": TRAIN, "testing": TEST}
_FEWEST = 3


@dataclass(frozen=True)
class Labels:
    """Labels in the form that a model trains on.

    Attributes:
        values: ``[n]``, int64 where they are classes; else ``[n, ...]``, float32.
        names: Names of the classes, in their order; empty where labels are numbers.
    """

    values: Tensor
    names: tuple[Any, ...]

    @property
    def classes(self) -> int:
        """Number of classes; where labels are numbers, how many each example has."""
        return len(self.names) or self.values[:1].numel()


def labels_of(raw: Any, regression: bool | None, where: str) -> Labels:
    """Decides whether labels are classes or numbers, and numbers the classes in their order.

    Args:
        raw: One label for each example, ``[n]``: words, truth values or whole numbers are classes; other
            numbers, and any of ``[n, ...]``, are numbers.
        regression: Whether labels are numbers; ``None`` decides by their type.
        where: The source of the labels, for messages.

    Raises:
        UsageError: A label is missing, there are fewer than two classes, or a regression has words.
    """
    import numpy as np

    values = array_of(raw, where)
    if not len(values):
        raise UsageError(f"{where} has no examples")
    missing = _missing(values)
    if missing.any():
        raise UsageError(f"{where}: example {int(missing.argmax()) + 1} has no label; leave it out")
    numeric = values.dtype.kind in "fiu"
    numbers = values.ndim > 1 or values.dtype.kind == "f" if regression is None else regression
    if numbers:
        if not (numeric or values.dtype.kind == "b"):
            raise UsageError(f"{where}: the label {str(values.flat[0])!r} is no number")
        found = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        if not torch.isfinite(found).all():
            row = int((~torch.isfinite(found)).flatten(1 if found.ndim > 1 else 0).nonzero()[0][0]) + 1
            raise UsageError(f"{where}: the label of example {row} is no finite number; leave it out")
        return Labels(found, ())
    kinds = values if numeric or values.dtype.kind == "b" else values.astype(str)
    names, numbered = np.unique(kinds, return_inverse=True)
    if len(names) < 2:
        raise UsageError(f"{where} has one class only, {names[0]!s}; classes need at least two")
    return Labels(torch.from_numpy(numbered.reshape(-1)).long(), tuple(names.tolist()))


def array_of(raw: Any, where: str) -> "NDArray[Any]":
    """A tensor, an array or a list as an array.

    Raises:
        UsageError: Rows of a list have different lengths.
    """
    if isinstance(raw, Tensor):
        plain = raw.detach().cpu()
        found: NDArray[Any] = (plain.float() if plain.is_floating_point() else plain).numpy()
        return found
    import numpy as np

    try:
        return np.asarray(raw)
    except ValueError as error:
        raise UsageError(f"{where}: its rows have different lengths ({first_line(error)})") from None


def _missing(values: "NDArray[Any]") -> "NDArray[Any]":
    import numpy as np
    import pandas as pd

    if values.dtype.kind not in "fO":
        return np.zeros(len(values), dtype=bool)
    return np.asarray(np.asarray(pd.isna(values)).reshape(len(values), -1).any(1))


def dealt(labels: Labels, valid: float, test: float, where: str) -> dict[str, Tensor]:
    """Deals examples to the splits, always in the same way, with the classes in their proportions.

    Args:
        labels: Of all examples.
        valid: Share of the examples to validate on, above 0 and below 1.
        test: Share to test on.
        where: What is dealt, for messages.

    Returns:
        Indices by split.

    Raises:
        UsageError: A share is not between 0 and 1, too few examples are there, or none is left to train on.
    """
    shares = {VALID: valid, TEST: test}
    for name, share in shares.items():
        if not 0 < share < 1:
            raise UsageError(f"{where}: the share {name}={share:g} must lie between 0 and 1")
    count = len(labels.values)
    sizes = {name: max(1, round(count * share)) for name, share in shares.items()}
    if sum(sizes.values()) >= count or count < _FEWEST:
        raise UsageError(
            f"{where}: {count} examples with valid={valid:g} and test={test:g} leave none to train on"
        )
    strata = labels.values if labels.names else torch.zeros(count, dtype=torch.int64)
    order = stratified_subset(strata, count, _SEED)
    ends = (sizes[TEST], sizes[TEST] + sizes[VALID])
    found = {TRAIN: order[ends[1] :], VALID: order[ends[0] : ends[1]], TEST: order[: ends[0]]}
    _check_classes(labels, found[TRAIN], where)
    return found


def _check_classes(labels: Labels, train: Tensor, where: str) -> None:
    """Refuses classes without an example to train on."""
    if labels.names and len(there := labels.values[train].unique()) < len(labels.names):
        lacking = next(place for place in range(len(labels.names)) if not (there == place).any())
        count = int((labels.values == lacking).sum())
        raise UsageError(
            f"{where}: training has no example of class {labels.names[lacking]!s}, which has {count}; leave "
            "it out, or set the splits yourself"
        )


def by_name(names: Sequence[Any], labels: Labels, valid: float, test: float, where: str) -> dict[str, Tensor]:
    """Deals examples to the splits that they name, such as ``train``, ``valid`` and ``test``.

    Where no example names validation or test, that split is dealt from the training examples.

    Args:
        names: Of each example.
        labels: Of all examples.
        valid: Share of the training examples to validate on, where no example names that split.
        test: Share to test on, where no example names that split.
        where: What is dealt, for messages.

    Returns:
        Indices by split.

    Raises:
        UsageError: A name is no split's, no example names training, or none are left to train on.
    """
    spelt = [_ALSO.get(str(name).lower(), str(name).lower()) for name in names]
    odd = next((name for name in spelt if name not in SPLITS), None)
    if odd is not None:
        raise UsageError(f"{where} names a split {odd!r}; splits are {', '.join(SPLITS)}")
    if set(spelt) == {TRAIN}:
        return dealt(labels, valid, test, where)
    places = {split: [i for i, name in enumerate(spelt) if name == split] for split in SPLITS}
    found = {split: torch.tensor(listed, dtype=torch.int64) for split, listed in places.items()}
    if not len(found[TRAIN]):
        raise UsageError(f"{where} has no example of the split {TRAIN!r}")
    for split, share in ((TEST, test), (VALID, valid)):
        if not len(found[split]):
            found[split], found[TRAIN] = _dealt_from(found[TRAIN], labels, share, f"{where}, {split}")
    _check_classes(labels, found[TRAIN], where)
    return found


def _dealt_from(train: Tensor, labels: Labels, share: float, where: str) -> tuple[Tensor, Tensor]:
    """A stratified share of the training examples, and the rest."""
    if not 0 < share < 1:
        raise UsageError(f"{where}: the share {share:g} must lie between 0 and 1")
    count = max(1, round(len(train) * share))
    if count >= len(train):
        raise UsageError(f"{where}: {len(train)} examples of training with {share:g} leave none to train on")
    strata = labels.values[train] if labels.names else torch.zeros(len(train), dtype=torch.int64)
    order = stratified_subset(strata, len(train), _SEED)
    return train[order[:count]], train[order[count:]]


def repetitions(rows: Tensor, splits: Mapping[str, Tensor]) -> dict[str, float]:
    """How many examples of validation and of test are also in training, for `Data.facts`.

    Args:
        rows: ``[n, ...]``, all examples; equal ones are equal to the bit.
        splits: Indices by split.
    """
    seen = {split: _digests(rows, splits[split]) for split in SPLITS}
    known = set(seen[TRAIN])
    return {f"{split}_in_train": sum(each in known for each in seen[split]) for split in (VALID, TEST)}


def _digests(rows: Tensor, indices: Tensor) -> list[bytes]:
    return [hashlib.blake2b(rows[i].numpy().tobytes(), digest_size=16).digest() for i in indices.tolist()]


def plain(names: Sequence[Any]) -> list[Any]:
    """Names of classes as plain values that a file can hold."""
    return [name if isinstance(name, bool | int | float | str) else str(name) for name in names]


def extras(labels: Labels, **more: Any) -> Mapping[str, Any]:
    """The `Data.extras` of a user's data: the classes' names, and what a model is built from."""
    return {**more, **({"labels": plain(labels.names)} if labels.names else {})}
