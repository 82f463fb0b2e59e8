"""Splits of texts: disjoint, stratified, and without equal texts in two of them."""

from pathlib import Path

import pytest
import torch

from trainables.data.splits import stratified_subset
from trainables.data.text import TextSettings
from trainables.datasets.documents import Documents, apart, wording
from trainables.datasets.imdb import Imdb, ImdbSettings
from trainables.datasets.pheme import Pheme, PhemeSettings
from trainables.datasets.texts import TextDataset

PLAIN = {"vectors": ""}


def shared(corpus: tuple[Documents, ...]) -> int:
    """How many texts stand in more than one part."""
    held = [set(map(wording, part.texts)) for part in corpus]
    return sum(map(len, held)) - len(set.union(*held))


def test_equal_texts_are_drawn_into_one_part_and_the_rest_as_ever() -> None:
    plain = Documents.of((f"text {i}", i % 4 == 0) for i in range(200))
    order = stratified_subset(torch.tensor(plain.labels), 200, 0).tolist()
    assert [list(part.texts) for part in plain.parted(0.1, 0.2)] == [
        [f"text {i}" for i in order[start:stop]] for start, stop in ((0, 20), (20, 60), (60, 200))
    ]
    copies = {i: f"Text\n {i % 20}" for i in range(100, 120)}  # of texts 0 to 19, but for case and space
    repeating = Documents.of((copies.get(i, said), i % 4 == 0) for i, said in enumerate(plain.texts))
    parts = repeating.parted(0.1, 0.2)
    assert [(len(part), sum(part.labels)) for part in parts] == [(20, 5), (40, 10), (140, 35)]
    assert sorted(said for part in parts for said in part.texts) == sorted(repeating.texts)
    assert shared(tuple(parts)) == 0
    assert set(copies.values()) < set(parts[2].texts)


def test_what_stands_in_the_test_split_is_kept_there_alone() -> None:
    train = Documents(["a", "b ", "C", "d", "d"], [0, 1, 0, 1, 1])
    valid, test = Documents(["B", "e"], [1, 0]), Documents(["c", "E", "E"], [0, 1, 0])
    assert apart((train, valid, test)) == (Documents(["a", "d", "d"], [0, 1, 1]), Documents(["B"], [1]), test)


@pytest.mark.parametrize(
    ("dataset", "settings", "sizes", "repeated"),
    [
        (Imdb(), ImdbSettings(**PLAIN), [40_000, 5_000, 5_000], 418),
        (Pheme(), PhemeSettings(**PLAIN), [5_145, 643, 637], 19),
    ],
)
def test_the_real_splits_share_no_text(
    data_root: Path, dataset: TextDataset, settings: TextSettings, sizes: list[int], repeated: int
) -> None:
    corpus = apart(dataset.read(data_root, settings))
    assert [len(part) for part in corpus] == sizes
    assert shared(corpus) == 0
    assert len(corpus[0]) - len(set(map(wording, corpus[0].texts))) == repeated
