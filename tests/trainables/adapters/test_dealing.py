"""How examples become splits, and labels classes."""

from typing import Any

import numpy as np
import pytest
import torch

from dropattack import UsageError
from trainables.adapters.dealing import Labels, by_name, dealt, labels_of


@pytest.mark.parametrize(
    ("raw", "names", "values"),
    [
        (["no", "yes", "no"], ("no", "yes"), [0, 1, 0]),
        ([3, 1, 3], (1, 3), [1, 0, 1]),
        ([True, False], (False, True), [1, 0]),
        (torch.tensor([5, 7]), (5, 7), [0, 1]),
        (np.array(["b", "a", "b"], dtype=object), ("a", "b"), [1, 0, 1]),
        (np.array([0, 10], dtype=np.uint8), (0, 10), [0, 1]),
    ],
)
def test_words_truth_values_and_whole_numbers_are_classes_in_their_order(
    raw: Any, names: tuple[Any, ...], values: list[int]
) -> None:
    found = labels_of(raw, None, "mine")
    assert found.names == names
    assert found.values.tolist() == values
    assert found.values.dtype == torch.int64
    assert found.classes == len(names)


@pytest.mark.parametrize(
    ("raw", "regression", "shape"),
    [
        ([0.5, 1.5], None, (2,)),
        ([3, 4, 5], True, (3,)),
        (np.zeros((4, 3)), None, (4, 3)),
        (torch.zeros(4, 2, dtype=torch.int64), None, (4, 2)),
    ],
)
def test_other_labels_are_numbers(raw: Any, regression: bool | None, shape: tuple[int, ...]) -> None:
    found = labels_of(raw, regression, "mine")
    assert found.names == ()
    assert tuple(found.values.shape) == shape
    assert found.values.dtype == torch.float32


@pytest.mark.parametrize(
    ("raw", "regression", "message"),
    [
        ([], None, "mine has no examples"),
        ([1.0, float("nan")], None, "example 2 has no label"),
        (np.array(["a", None], dtype=object), None, "example 2 has no label"),
        (["a", "a"], None, "one class only, a"),
        (["a", "b"], True, "the label 'a' is no number"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(raw: Any, regression: bool | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        labels_of(raw, regression, "mine")


def test_dealing_keeps_the_proportions_of_the_classes_and_uses_each_example_once() -> None:
    labels = Labels(torch.tensor([0] * 80 + [1] * 20), (0, 1))
    found = dealt(labels, 0.2, 0.1, "mine")
    assert {name: len(indices) for name, indices in found.items()} == {"train": 70, "valid": 20, "test": 10}
    assert sorted(torch.cat(list(found.values())).tolist()) == list(range(100))
    for indices in found.values():
        assert labels.values[indices].float().mean().item() == pytest.approx(0.2, abs=0.05)
    again = dealt(labels, 0.2, 0.1, "mine")
    assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.mark.parametrize(("valid", "test"), [(0, 0.2), (0.2, 1), (0.6, 0.5), (-1, 0.1)])
def test_shares_that_leave_nothing_are_refused(valid: float, test: float) -> None:
    with pytest.raises(UsageError, match=r"must lie between 0 and 1|none to train on"):
        dealt(Labels(torch.zeros(10), ()), valid, test, "mine")


def labels(count: int) -> Labels:
    return Labels(torch.arange(count) % 2, ("a", "b"))


def test_a_column_may_name_the_splits_in_usual_words() -> None:
    of = Labels(torch.tensor([0, 0, 0, 0, 1]), ("a", "b"))
    found = by_name(["train", "val", "TEST", "validation", "train"], of, 0.2, 0.2, "mine")
    assert {name: indices.tolist() for name, indices in found.items()} == {
        "train": [0, 4],
        "valid": [1, 3],
        "test": [2],
    }


@pytest.mark.parametrize("missing", ["valid", "test"])
def test_a_split_that_none_name_is_dealt_from_training_in_proportion(missing: str) -> None:
    other = {"valid": "test", "test": "valid"}[missing]
    names = ["train"] * 40 + [other] * 10
    of = labels(50)
    found = by_name(names, of, 0.25, 0.25, "mine")
    assert found[other].tolist() == list(range(40, 50))
    assert len(found[missing]) == 10
    assert of.values[found[missing]].sum() == 5
    assert sorted(torch.cat([found[missing], found["train"]]).tolist()) == list(range(40))


def test_where_all_are_of_training_they_are_dealt_as_without_names() -> None:
    named, plain = by_name(["train"] * 50, labels(50), 0.2, 0.1, "mine"), dealt(labels(50), 0.2, 0.1, "mine")
    assert all(torch.equal(named[name], plain[name]) for name in plain)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "fold1"], "a split 'fold1'"),
        (["valid", "test"], "no example of the split 'train'"),
        (["train", "valid"], "mine, test: 1 examples of training with 0.2 leave none to train on"),
    ],
)
def test_other_splits_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        by_name(names, labels(len(names)), 0.2, 0.2, "mine")


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_of_which_nothing_is_left_to_learn_from_is_named(count: int) -> None:
    few = Labels(torch.tensor([0] * 30 + [1] * count), ("common", "rare"))
    names = ["train"] * 20 + ["valid"] * 5 + ["test"] * (5 + count)
    with pytest.raises(UsageError, match=f"mine: training has no example of class rare, which has {count}"):
        by_name(names, few, 0.2, 0.2, "mine")
    found = dealt(few, 0.2, 0.2, "mine")
    assert (few.values[found["train"]] == 1).any(), "dealing keeps one for training"
