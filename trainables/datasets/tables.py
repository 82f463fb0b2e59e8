"""Small tables that come with scikit-learn: real data with nothing to download."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from dropattack import Settings
from trainables.data.dataset import Data, Dataset
from trainables.data.splits import TensorSplit, stratified_subset
from trainables.digest import digest

_VERSION = 1
_SPLIT_SEED = 0
_SHARE = 0.2
"""Share of the rows for validation, and for testing."""


class BundledTable(Dataset):
    """A table of numbers, split 60:20:20; features have mean 0 and variance 1 over the training rows.

    Args:
        name: See `Dataset`.
        source: Returns scikit-learn's object with ``data`` and ``target``.
        classes: Number of classes; 0 if the target is a number, which then has mean 0 and variance 1 too.
        positive: See `Dataset`.
    """

    def __init__(
        self, name: str, source: Callable[[], Any], classes: int = 0, positive: int | None = None
    ) -> None:
        self.name = name
        self.positive = positive
        self._source = source
        self._classes = classes

    @override
    def checksum(self, root: Path, settings: Settings) -> str:
        """See `Dataset.checksum`; the data come with scikit-learn."""
        return digest(self.name, _VERSION)

    @override
    def load(self, root: Path, settings: Settings) -> Data:
        bunch = self._source()
        rows = torch.from_numpy(bunch.data).double()
        target = torch.from_numpy(bunch.target)
        strata = target.long() if self._classes else torch.zeros(len(target), dtype=torch.int64)
        order = stratified_subset(strata, len(rows), _SPLIT_SEED)
        some = round(len(rows) * _SHARE)
        test, valid, train = order[:some], order[some : 2 * some], order[2 * some :]
        inputs = _standardised(rows, train).float()
        labels = strata if self._classes else _standardised(target.double(), train).float()
        whole = TensorSplit(inputs, labels)
        return Data(
            train=whole.subset(train),
            valid=whole.subset(valid),
            test=whole.subset(test),
            classes=self._classes or 1,
            checksum=self.checksum(root, settings),
            positive=self.positive,
            extras={"features": inputs.shape[1]},
            bounds=(inputs.min(0).values, inputs.max(0).values),
        )


def _standardised(values: Tensor, train: Tensor) -> Tensor:
    """Values with mean 0 and variance 1 over the training rows."""
    seen = values[train]
    return (values - seen.mean(0)) / seen.std(0, correction=0).clamp(min=1e-12)


def _breast_cancer() -> Any:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer()


def _diabetes() -> Any:
    from sklearn.datasets import load_diabetes

    return load_diabetes()


BREAST_CANCER = BundledTable("breast-cancer", _breast_cancer, classes=2, positive=0)
"""569 tumours by 30 features; malignant ones, class 0, are the positive class."""
DIABETES = BundledTable("diabetes", _diabetes)
"""442 patients by 10 features, and the progress of their disease within a year."""
