"""Examples in memory, as tensors, arrays and torch's datasets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset as TorchDataset

from dropattack import Settings, UsageError
from trainables import Data, Tensors, examples

INPUTS = torch.arange(80.0).view(20, 4)
LABELS = torch.arange(20) % 2


def loaded(dataset: Tensors) -> Data:
    return dataset.load(Path("unused"), Settings())


def checksum(dataset: Tensors) -> str:
    return dataset.checksum(Path("unused"), Settings())


@pytest.mark.parametrize("kind", [lambda t: t, lambda t: t.numpy(), lambda t: t.tolist()])
def test_tensors_arrays_and_lists_are_the_same_data(kind: Any) -> None:
    data = loaded(Tensors(kind(INPUTS), kind(LABELS)))
    assert (len(data.train), len(data.valid), len(data.test)) == (12, 4, 4)
    assert (data.features, data.shape, data.classes) == (4, (4,), 2)
    assert checksum(Tensors(kind(INPUTS), kind(LABELS))) == checksum(Tensors(INPUTS, LABELS))
    rows = torch.cat(
        [batch[0] for split in (data.train, data.valid, data.test) for batch in split.batches(7)]
    )
    assert torch.equal(rows[rows[:, 0].argsort()], INPUTS)


@pytest.mark.parametrize(
    "other",
    [
        Tensors(INPUTS + 1e-3, LABELS),
        Tensors(INPUTS, 1 - LABELS),
        Tensors(INPUTS, LABELS, valid=0.3),
        Tensors(INPUTS.view(20, 2, 2), LABELS),
        Tensors(INPUTS, [f"class {label}" for label in LABELS]),
        Tensors(INPUTS, LABELS.float()),
    ],
)
def test_whatever_a_trial_depends_on_changes_the_checksum(other: Tensors) -> None:
    assert checksum(other) != checksum(Tensors(INPUTS, LABELS))


def test_splits_may_be_the_users() -> None:
    parts = [(INPUTS[:10], LABELS[:10]), (INPUTS[10:15], LABELS[10:15]), (INPUTS[15:], LABELS[15:])]
    data = loaded(Tensors(parts))
    assert [len(split) for split in (data.train, data.valid, data.test)] == [10, 5, 5]
    assert torch.equal(next(data.valid.batches(5))[0], INPUTS[10:15])
    low, high = data.bounds
    assert torch.equal(torch.as_tensor(high), INPUTS[:10].max(0).values), "bounds are those of training"
    assert torch.equal(torch.as_tensor(low), INPUTS[:10].min(0).values)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (INPUTS, LABELS[:3], "20 inputs and 3 labels"),
        (INPUTS, None, "three pairs"),
        (INPUTS[:, 0], LABELS, "one dimension"),
        ([["a"]] * 20, LABELS, "must be numbers"),
        (INPUTS.masked_fill(INPUTS == 9, float("nan")), LABELS, "example 3 has an input that is no finite"),
        (INPUTS / 0, LABELS, "example 1 has an input"),
        ([(INPUTS, LABELS), (INPUTS[:, :2], LABELS), (INPUTS, LABELS)], None, "different shapes"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_a_line(inputs: Any, labels: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Tensors(inputs, labels)


class Pairs(TorchDataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __getitem__(self, index: int) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


def test_any_of_torchs_datasets_gives_examples() -> None:
    pairs = Pairs([(np.full((1, 2, 2), i, dtype=np.float32), i % 3) for i in range(12)])
    data = loaded(Tensors(*examples(pairs)))
    assert (data.shape, data.classes) == ((1, 2, 2), 3)
    assert data.bounds[0] in range(12)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([(torch.zeros(2), 0), torch.zeros(2)], "item 1 is no pair"),
        ([(torch.zeros(2), 0), (torch.zeros(3), 1)], "cannot be stacked"),
    ],
)
def test_items_that_are_no_examples_are_refused(items: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        examples(Pairs(items))


def test_data_without_one_shape_say_so() -> None:
    data = loaded(Tensors(INPUTS.view(20, 1, 2, 2), LABELS))
    assert data.shape == (1, 2, 2)
    with pytest.raises(UsageError, match="no rows of numbers"):
        _ = data.features


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        ([[1.0], [1.0, 2.0]], [0, 1], "its rows have different lengths"),
        (INPUTS, [1.0, float("inf")] + [0.5] * 18, "the label of example 2 is no finite number"),
        (INPUTS, np.array([[1.0, 2.0]] * 19 + [[1.0, np.inf]]), "the label of example 20 is no finite"),
    ],
)
def test_ragged_rows_and_infinite_labels_are_refused(inputs: Any, labels: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Tensors(inputs, labels)


def test_tensors_of_half_precision_are_taken() -> None:
    assert torch.equal(
        torch.cat([x for x, _ in loaded(Tensors(INPUTS.bfloat16(), LABELS)).train.batches(50)]).sum(),
        torch.cat([x for x, _ in loaded(Tensors(INPUTS, LABELS)).train.batches(50)]).sum(),
    )


def test_a_stream_of_examples_is_refused() -> None:
    with pytest.raises(UsageError, match="generator has no items by number; use a map-style dataset"):
        examples(pair for pair in [(1, 2)])  # type: ignore[arg-type]
