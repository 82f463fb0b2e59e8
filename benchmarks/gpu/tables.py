"""What is trained: cells of the papers' tables, on synthetic data of the sizes of MNIST and IMDB."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit, TextSplit
from trainables.lanes.loop import stackable
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPSILONS, PROBABILITIES = (0.01, 0.1, 1, 3, 5, 7, 9), (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
TABLE8: list[Mapping[str, Any]] = [
    *[{"targets": targets} for targets in ("input", "conv1.w", "conv2.w", "input+conv2.w", "input+conv1.b")],
    *[{"targets": "input+conv1.w", "p": p} for p in (0.5, 0.7)],
    *[{"targets": f"{one}+conv2.w"} for one in ("conv1.b", "conv1.w", "fc1.w", "fc2.w")],
    *[{"targets": targets} for targets in ("conv1.w+fc1.w", "conv1.w+conv2.w+fc1.w")],
]
SEEDS, EPOCHS = 5, 10
"""Of each cell, and of each trial."""


@dataclass(frozen=True)
class Table:
    """What to train: the cells of one of the papers' tables.

    Attributes:
        title: For people.
        workload: Its name.
        targets: What a method that can choose attacks where its step is checked.
        cells: DropAttack's hyperparameters.
        whole: Examples to train on in a whole epoch; an eighth or a fifth as many are validated.
        part: How many of them an epoch here has; `Trained.per_hour` reckons with whole ones.
        valid: How many are validated here, in the same proportion.
        batch_size: Of training.
        target: How many times as many trials an hour lanes should train as one at a time does.
    """

    title: str
    workload: str
    targets: str
    cells: Sequence[Mapping[str, Any]]
    whole: int
    part: int
    valid: int
    batch_size: int
    target: str
    model: Mapping[str, Any]

    @property
    def texts(self) -> bool:
        """Whether examples are texts."""
        return "lstm" in self.workload

    def small(self) -> "Table":
        """The same with few and small examples: to see whether everything runs."""
        model = {"hidden": 8, "embedding_size": 8} if self.texts else self.model
        return replace(self, cells=self.cells[1:5], part=64, valid=32, batch_size=16, model=model)

    def group(self) -> list[Trial]:
        """Most of the trials that can be lanes of one stack, of every cell with every seed."""
        training = replace(
            workload_named(self.workload).training, epochs=EPOCHS, batch_size=self.batch_size, train_size=0
        )
        return max(stackable(self.trials(SEEDS, training)), key=len)

    def trials(self, seeds: int, training: TrainingSettings) -> list[Trial]:
        """Every cell with every seed."""
        return [
            Trial.make(self.workload, "dropattack", cell, training, seed, "benchmark", model=self.model)
            for cell, seed in itertools.product(self.cells, range(seeds))
        ]

    def data(self) -> Data:
        """Synthetic data."""
        return texts(self.part, self.valid) if self.texts else images(self.part, self.valid)


def grid(targets: str) -> list[Mapping[str, Any]]:
    """The 49 cells of Table 10."""
    cells = itertools.product(EPSILONS, PROBABILITIES)
    return [{"targets": targets, "epsilon": epsilon, "p": p} for epsilon, p in cells]


def _lenet5(title: str, cells: Sequence[Mapping[str, Any]]) -> Table:
    sizes = {"whole": 50_000, "part": 12_800, "valid": 2_560}
    return Table(
        title, "mnist-lenet5", "input+conv1.w", cells, **sizes, batch_size=128, target="≥ 20 ×", model={}
    )


TABLES = {
    "grid": _lenet5("Table 10's grid, LeNet-5", grid("input+conv1.w")),
    "table8": _lenet5("Table 8, LeNet-5", TABLE8),
    "table10": Table(
        "Table 10, LSTM",
        "imdb-lstm",
        "input+lstm.ih.w",
        grid("input+lstm.ih.w"),
        whole=40_000,
        part=1_280,
        valid=160,
        batch_size=128,
        target="≥ 4 ×",
        model={},
    ),
}


def table_named(name: str, quick: bool) -> Table:
    """A table, or its small form."""
    return TABLES[name].small() if quick else TABLES[name]


def images(train: int, valid: int) -> Data:
    """Noise in the shape of MNIST."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> ImageSplit:
        pixels = torch.randint(256, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
        return ImageSplit(pixels, torch.arange(count) % 10)

    return Data(split(train), split(valid), split(valid), 10, "benchmark")


def texts(train: int, valid: int, vocabulary: int = 60_000, longest: int = 256) -> Data:
    """Texts of words that are as frequent as Zipf's law has them, and of very different lengths."""
    generator = torch.Generator().manual_seed(0)
    words = torch.arange(2, vocabulary).double().reciprocal().cumsum(0)

    def split(count: int) -> TextSplit:
        draws = torch.rand(count * longest, generator=generator, dtype=torch.float64) * words[-1]
        tokens = torch.searchsorted(words, draws).add_(2).view(count, longest).int()
        lengths = torch.randint(longest // 4, longest * 2, (count,), generator=generator).clamp(max=longest)
        padded = tokens.masked_fill(torch.arange(longest) >= lengths[:, None], 1)
        return TextSplit(padded, lengths, torch.arange(count) % 2)

    extras = {"vocabulary_size": vocabulary, "words": torch.zeros(0), "known": None, "vectors": None}
    return Data(split(train), split(valid), split(valid), 2, "benchmark", extras=extras)
