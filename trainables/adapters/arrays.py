"""A user's own examples in memory: tensors, numpy arrays, and any of torch's datasets."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate
from typing_extensions import override

from dropattack import Settings, UsageError
from dropattack.robustness import Bounds
from trainables.adapters.dealing import SPLITS, TRAIN, Labels, array_of, dealt, extras, labels_of
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import TensorSplit
from trainables.digest import digest

_VERSION = 1


class Tensors(Dataset):
    """Inputs and labels as tensors or numpy arrays, of one shape for all examples.

    Args:
        inputs: ``[n, ...]``, numbers; or three pairs of inputs and labels, for splits of the user's own:
            training, validation and test.
        labels: One for each example: whole numbers, truth values and words are classes; a regression or a
            multi-label objective learns other numbers, and labels ``[n, ...]``.
        valid: Share of the examples to validate on.
        test: Share to test on.
        regression: Whether labels are numbers; ``None`` decides by their type.
        bounds: Smallest and largest value that an input may have, for attacks; by default those of the
            training split.
        positive: See `Dataset`.
        name: See `Dataset`.

    Raises:
        UsageError: Inputs are no numbers or not finite, or do not fit their labels.

    Examples:
        >>> import torch
        >>> data = Tensors(torch.rand(100, 4), torch.arange(100) % 3).load(Path(), Settings())
        >>> len(data.train), data.features, data.classes
        (60, 4, 3)
    """

    def __init__(
        self,
        inputs: Any,
        labels: Any = None,
        *,
        valid: float = 0.2,
        test: float = 0.2,
        regression: bool | None = None,
        bounds: Bounds | None = None,
        positive: int | None = None,
        name: str = "tensors",
    ) -> None:
        self.name, self.positive = name, positive
        self._bounds, self._shares = bounds, (valid, test)
        parts = [(inputs, labels)]
        if labels is None:
            if not isinstance(inputs, Sequence) or [len(pair) for pair in inputs] != [2, 2, 2]:
                raise UsageError(
                    f"{name} needs inputs and labels, or three pairs of them: {', '.join(SPLITS)}"
                )
            parts = list(inputs)
        rows = [_numbers(part, name) for part, _ in parts]
        if len({part.shape[1:] for part in rows}) > 1:
            raise UsageError(f"{name}: the inputs of the three splits have different shapes")
        for part, (_, own) in zip(rows, parts, strict=True):
            if len(part) != len(own):
                raise UsageError(f"{name} has {len(part)} inputs and {len(own)} labels")
        self._inputs = torch.cat(rows)
        joined = np.concatenate([array_of(own, name) for _, own in parts])
        self._labels = labels_of(joined, regression, name)
        self._sizes = [len(part) for part in rows] if labels is None else None

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; it covers the numbers themselves."""
        return digest(self.name, _VERSION, self._content, self._shares, self._sizes, list(self._labels.names))

    @cached_property
    def _content(self) -> str:
        found = hashlib.sha256()
        for tensor in (self._inputs, self._labels.values):
            found.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        return data_of(
            self._inputs,
            self._labels,
            self._dealt(),
            self.checksum(root, settings),
            bounds=self._bounds,
            positive=self.positive,
        )

    def _dealt(self) -> dict[str, Tensor]:
        if self._sizes is None:
            return dealt(self._labels, *self._shares, self.name)
        return dict(zip(SPLITS, torch.arange(len(self._inputs)).split(self._sizes), strict=True))


def data_of(
    inputs: Tensor,
    labels: Labels,
    splits: dict[str, Tensor],
    checksum: str,
    *,
    bounds: Bounds | None = None,
    positive: int | None = None,
    **more: Any,
) -> Data:
    """Builds data of rows, or of anything else of one shape.

    Args:
        inputs: ``[n, ...]``, float32.
        labels: Of each.
        splits: Indices by split.
        checksum: See `Data`.
        bounds: See `Tensors`.
        positive: See `Data`.
        more: Further `Data.extras`.
    """
    whole = TensorSplit(inputs, labels.values)
    if bounds is None:
        seen = inputs[splits[TRAIN]]
        bounds = (seen.min(0).values, seen.max(0).values) if inputs.dim() == 2 else _ends(seen)
    shape = list(inputs.shape[1:])
    known = {"shape": shape, **({"features": shape[0]} if len(shape) == 1 else {}), **more}
    train, valid, test = (whole.subset(splits[name]) for name in SPLITS)
    return Data(
        train,
        valid,
        test,
        classes=labels.classes,
        checksum=checksum,
        positive=positive,
        extras=extras(labels, **known),
        bounds=bounds,
    )


def _ends(tensor: Tensor) -> tuple[float, float]:
    return float(tensor.min()), float(tensor.max())


def _numbers(raw: Any, name: str) -> Tensor:
    values = array_of(raw, name)
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{name}: inputs must be numbers, not {values.dtype}; encode them, or use a Table")
    found = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    if found.dim() < 2:
        raise UsageError(f"{name}: inputs are [n, ...], one row for each example; these have one dimension")
    finite = torch.isfinite(found).flatten(1).all(1)
    if not finite.all():
        row = int((~finite).nonzero()[0]) + 1
        raise UsageError(f"{name}: example {row} has an input that is no finite number; fill or leave it out")
    return found


class MapDataset(Protocol):
    """One of torch's datasets with a number of examples."""

    def __getitem__(self, index: int) -> Any:
        """A pair of inputs and label."""

    def __len__(self) -> int:
        """Number of examples."""


def examples(dataset: MapDataset, name: str = "examples") -> tuple[Tensor, Tensor]:
    """Inputs and labels of one of torch's datasets, for `Tensors`; each example is read once, as it is now.

    Args:
        dataset: Each item is a pair of an input, of one shape for all, and a label.
        name: For messages.

    Raises:
        UsageError: An item is no such pair, or shapes differ.

    Examples:
        >>> from torch.utils.data import TensorDataset
        >>> pairs = TensorDataset(torch.rand(10, 3), torch.arange(10) % 2)
        >>> len(Tensors(*examples(pairs)).load(Path(), Settings()).train)
        6
    """
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise UsageError(f"{name}: {type(dataset).__name__} has no items by number; use a map-style dataset")
    items = [dataset[index] for index in range(len(dataset))]
    odd = next(
        (i for i, item in enumerate(items) if not isinstance(item, tuple | list) or len(item) != 2), None
    )
    if odd is not None:
        raise UsageError(f"{name}: item {odd} is no pair of an input and a label")
    try:
        inputs, labels = default_collate(items)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"{name}: its items cannot be stacked ({str(error).splitlines()[0]})") from None
    return inputs, labels
