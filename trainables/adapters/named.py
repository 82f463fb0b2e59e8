"""A user's own examples with several named inputs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from dropattack import Settings, UsageError
from trainables.adapters.dealing import SPLITS, array_of, dealt, extras, labels_of
from trainables.data.dataset import Data, Dataset
from trainables.data.named import NamedSplit
from trainables.digest import digest

_VERSION = 1


class NamedTensors(Dataset):
    """Several inputs by name, each a tensor or an array; the model is called as ``model(image=…, age=…)``.

    Inputs of fractions become float32, and are targets of attacks: ``input.image``, and ``input`` for all of
    them. Whole numbers and truth values keep their type, for embeddings and masks, and are no targets.

    Args:
        inputs: By name ``[n, ...]``, numbers.
        labels: See `Tensors`.
        valid: Share of the examples to validate on.
        test: Share to test on.
        regression: See `Tensors`.
        positive: See `Dataset`.
        name: See `Dataset`.

    Raises:
        UsageError: There is no input, one is no number or not finite, or they differ in length.

    Examples:
        >>> inputs = {"image": torch.rand(50, 3, 8, 8), "town": torch.arange(50) % 4}
        >>> data = NamedTensors(inputs, torch.arange(50) % 2)
        >>> data.inputs, data.load(Path(), Settings()).extras["shapes"]
        (('image',), {'image': [3, 8, 8], 'town': []})
    """

    def __init__(
        self,
        inputs: Mapping[str, Any],
        labels: Any,
        *,
        valid: float = 0.2,
        test: float = 0.2,
        regression: bool | None = None,
        positive: int | None = None,
        name: str = "tensors",
    ) -> None:
        if not isinstance(inputs, Mapping) or not inputs:
            raise UsageError(f"{name} needs inputs by name, such as {{'image': images, 'age': ages}}")
        self.name, self.positive, self._shares = name, positive, (valid, test)
        self._labels = labels_of(labels, regression, name)
        self._inputs = {known: _numbers(each, f"{name}, {known}") for known, each in inputs.items()}
        count = len(self._labels.values)
        for known, each in self._inputs.items():
            if not known.isidentifier():
                raise UsageError(f"{name}: an input's name is an argument of forward; rename {known!r}")
            if len(each) != count:
                raise UsageError(f"{name} has {len(each)} inputs {known!r} and {count} labels")
        self.inputs = tuple(known for known, each in self._inputs.items() if each.is_floating_point())

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; it covers the numbers themselves."""
        found = hashlib.sha256()
        for known, tensor in (*self._inputs.items(), ("", self._labels.values)):
            found.update(f"{known} {tuple(tensor.shape)} {tensor.dtype}".encode())
            found.update(tensor.contiguous().numpy().tobytes())
        return digest(self.name, _VERSION, found.hexdigest(), self._shares, list(self._labels.names))

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        whole = NamedSplit(self._inputs, self._labels.values)
        splits = dealt(self._labels, *self._shares, self.name)
        train, valid, test = (whole.subset(splits[name]) for name in SPLITS)
        shapes = {known: list(each.shape[1:]) for known, each in self._inputs.items()}
        return Data(
            train,
            valid,
            test,
            classes=self._labels.classes,
            checksum=self.checksum(root, settings),
            positive=self.positive,
            extras=extras(self._labels, shapes=shapes),
        )


def _numbers(raw: Any, where: str) -> Tensor:
    values = array_of(raw, where)
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{where}: inputs must be numbers, not {values.dtype}; encode them first")
    kind = {"f": np.float32, "b": np.bool_}.get(values.dtype.kind, np.int64)
    found = torch.from_numpy(np.ascontiguousarray(values, dtype=kind))
    if found.dim() < 1:
        raise UsageError(f"{where}: an input is [n, ...], one for each example")
    if found.is_floating_point() and not torch.isfinite(found).all():
        row = int((~torch.isfinite(found)).reshape(len(found), -1).any(1).nonzero()[0]) + 1
        raise UsageError(f"{where}: example {row} holds no finite number; fill or leave it out")
    return found
