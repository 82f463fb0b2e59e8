"""Splits: batches hold every example once, subsets are nested and stratified."""

from typing import Any, ClassVar

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from trainables.data.splits import PADDING, ImageSplit, TextSplit, stratified_subset


def texts(lengths: list[int]) -> TextSplit:
    """Text i holds the token i + 2, as many times as it is long."""
    n, longest = len(lengths), max(lengths)
    there = torch.arange(longest) < torch.tensor(lengths)[:, None]
    tokens = torch.where(there, torch.arange(n)[:, None] + 2, PADDING).int()
    return TextSplit(tokens, torch.tensor(lengths), torch.arange(n) % 3)


def images(count: int) -> ImageSplit:
    """Image i has the value i in every pixel."""
    pixels = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 1, 2, 2)
    return ImageSplit(pixels, torch.arange(count))


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.integers(1, 7),
    st.one_of(st.none(), st.integers(0, 5)),
)
def test_text_batches_hold_every_text_once_and_whole(lengths: list[int], size: int, seed: int | None) -> None:
    split = texts(lengths)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    seen = []
    for (tokens, batch_lengths), labels in split.batches(size, generator):
        assert len(labels) <= size
        assert tokens.shape[1] == batch_lengths.max() == batch_lengths[0]
        assert torch.equal(split.words((tokens, batch_lengths)), tokens != PADDING)
        assert (batch_lengths[:-1] >= batch_lengths[1:]).all()
        for row, length, label in zip(tokens, batch_lengths.tolist(), labels.tolist(), strict=True):
            text = int(row[0]) - 2
            assert length == lengths[text]
            assert label == text % 3
            assert row.tolist() == [text + 2] * length + [PADDING] * (tokens.shape[1] - length)
            seen.append(text)
    assert sorted(seen) == list(range(len(lengths)))


def test_batching_by_length_saves_most_of_the_padding() -> None:
    """Lengths uniform in 1…256: unsorted batches of 64 pad about half, one pool of 50 batches almost none."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 257, (3200,), generator=generator)
    split = texts(lengths.tolist())
    unsorted = 1 - lengths.sum().item() / sum(len(b) * int(b.max()) for b in lengths.split(64))
    assert unsorted > 0.45
    assert split.padded_share(64, generator) < 0.03
    positions = sum(tokens.numel() for (tokens, _), _ in split.batches(64))
    assert split.padded_share(64) == pytest.approx(1 - lengths.sum().item() / positions)


def test_shuffled_batches_differ_between_epochs() -> None:
    split = texts(list(range(1, 41)))
    generator = torch.Generator().manual_seed(0)
    one, other = ([labels.tolist() for _, labels in split.batches(8, generator)] for _ in range(2))
    assert one != other


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=80),
    st.integers(0, 80),
    st.integers(0, 80),
    st.booleans(),
)
def test_subsets_are_nested(labels: list[int], a: int, b: int, balanced: bool) -> None:
    small, large = sorted((min(a, len(labels)), min(b, len(labels))))
    inner, outer = (
        set(stratified_subset(torch.tensor(labels), n, 3, balanced).tolist()) for n in (small, large)
    )
    assert len(inner) == small
    assert inner <= outer


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.floats(0.1, 1))
@example([1, 1, 1, 11], 0.375)
def test_subsets_keep_the_proportions_of_the_classes(counts: list[int], share: float) -> None:
    """Every class is rounded from one common share of it; the roundings add up to half an example a class,
    of which each class bears its part."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    size = int(share * len(labels))
    taken = labels[stratified_subset(labels, size, 0)].bincount(minlength=len(counts))
    expected = torch.tensor(counts) * size / len(labels)
    most = 0.5 + torch.tensor(counts) / len(labels) * len(counts) / 2
    assert ((taken - expected).abs() <= most + 1e-6).all()


def test_balanced_subsets_take_equally_many_of_each_class_until_one_is_used_up() -> None:
    labels = torch.tensor([0] * 100 + [1] * 10 + [2] * 40)
    counts = [labels[stratified_subset(labels, n, 0, balanced=True)].bincount().tolist() for n in (30, 70)]
    assert counts == [[10, 10, 10], [30, 10, 30]]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_subsets_of_several_labels_an_example_are_drawn_evenly(width: int) -> None:
    labels = (torch.rand(40, width, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    few, more = (stratified_subset(labels, size, seed=3) for size in (10, 30))
    assert len(few.unique()) == 10
    assert torch.equal(more[:10], few)
    assert torch.equal(more, stratified_subset(torch.zeros(40, dtype=torch.int64), 30, seed=3))


def test_subsets_of_other_seeds_differ() -> None:
    labels = torch.arange(100) % 2
    assert set(stratified_subset(labels, 20, 0).tolist()) != set(stratified_subset(labels, 20, 1).tolist())


@pytest.mark.parametrize("split", [images(37), texts(list(range(1, 38)))])
def test_batches_are_what_is_taken_in_the_order_given(split: ImageSplit | TextSplit) -> None:
    order = split.order(8, torch.Generator().manual_seed(3))
    batches = split.batches(8, torch.Generator().manual_seed(3))
    for indices, (_, labels) in zip(order, batches, strict=True):
        assert torch.equal(split.labels[indices], labels)


@pytest.mark.parametrize("split", [images(11), texts(list(range(1, 12)))])
def test_joined_splits_follow_each_other(split: ImageSplit | TextSplit) -> None:
    both: Any = split
    inputs, labels = both.joined([split]).take(torch.tensor([[3, 4], [14, 15]]))
    assert torch.equal(labels[0], labels[1])
    first = inputs[0] if isinstance(inputs, tuple) else inputs
    assert first.shape[:2] == (2, 2)
    assert torch.equal(first[0], first[1])


def test_indices_of_texts_go_to_the_device_without_a_wait() -> None:
    class Moves(TorchFunctionMode):
        waits: ClassVar[list[bool]] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.to:
                self.waits.append(not (kwargs or {}).get("non_blocking", False))
            return func(*args, **(kwargs or {}))

    with Moves() as moves:
        texts([1, 2, 3]).take(torch.tensor([2, 0]))
    assert moves.waits == [False]
