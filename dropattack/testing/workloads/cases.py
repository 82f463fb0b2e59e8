"""The cases of the contract of workloads: the workload's data, all of them and a few."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from trainables.architecture import Architecture
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.workload import Workload
from trainables.workloads import workload_named

FEW = 48
"""How many examples of each split are trained and tested on."""
BATCH = 20
"""Examples of a batch; they leave a smaller last one."""


def few_of(data: Data) -> Data:
    """The same data with few examples, from all over each split."""

    def part(split: Split) -> Split:
        return split.subset(torch.linspace(0, len(split) - 1, min(FEW, len(split))).long())

    return replace(data, train=part(data.train), valid=part(data.valid), test=part(data.test))


class WorkloadCases:
    """The workload under test.

    Attributes:
        workload: Its name: ``module:function``, or that of one that ships or that a package offers.
        data: The data root. An author whose data must be made first overrides the fixture ``root``.
        settings: Settings that differ from the defaults, by section, ``data`` and ``model``, as in a sweep
            file. A small model makes the tests fast.
    """

    workload: ClassVar[str]
    data: ClassVar[str | Path] = "data"
    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @pytest.fixture
    def root(self) -> Path:
        """The data root."""
        return Path(self.data)

    @pytest.fixture
    def whole(self, root: Path) -> Data:
        """All data."""
        return self.found.load(root, self.options("data"))

    @pytest.fixture
    def few(self, whole: Data) -> Data:
        """The same data with few examples."""
        return few_of(whole)

    @property
    def found(self) -> Workload:
        """The workload."""
        return workload_named(self.workload)

    @property
    def architecture(self) -> Architecture:
        """The model under the author's settings."""
        return self.found.model_settings(self.options("model"))

    def options(self, section: str) -> Mapping[str, Any]:
        """The settings of a section."""
        return self.settings.get(section, {})
