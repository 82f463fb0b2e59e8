"""A user's texts with any labels, in one file."""

from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from tests.trainables.datasets.corpora import words
from trainables import Data, Texts
from trainables.data.text import TextSettings

WORDS = ["good", "bad", "fine", "poor", "great"]


def written(folder: Path, labels: list[str], header: str = "text,label") -> str:
    rows = [f'"text {WORDS[i % 5]} {i}",{label}' for i, label in enumerate(labels)]
    (folder / "reviews.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return "reviews.csv"


def loaded(folder: Path, path: str, **options: Any) -> Data:
    dataset = Texts(path, **options)
    return dataset.load(folder, dataset.settings_type())


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["pos", "neg"] * 10, ["neg", "pos"]),
        (["1", "2"] * 10, ["1", "2"]),
        (["10", "9"] * 10, ["9", "10"]),
        (["3", "0", "ä"] * 10, ["0", "3", "ä"]),
    ],
)
def test_labels_may_say_anything_and_are_numbered_in_their_order(
    tmp_path: Path, labels: list[str], expected: list[str]
) -> None:
    data = loaded(tmp_path, written(tmp_path, labels))
    assert data.extras["labels"] == expected
    assert data.classes == len(expected)
    assert len(data.train) + len(data.valid) + len(data.test) == len(labels)
    assert data.words is not None
    assert "good" in words(data)


def test_a_column_may_name_the_splits_and_other_columns_the_text(tmp_path: Path) -> None:
    rows = ["said,kind,part"] + [
        f"word{i},{'ab'[i % 2]},{('train', 'val', 'test')[i % 3]}" for i in range(18)
    ]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    data = loaded(tmp_path, "own.csv", text="said", label="kind", split="part", positive="b")
    assert [len(split) for split in (data.train, data.valid, data.test)] == [6, 6, 6]
    assert data.positive == 1
    assert set(words(data)) >= {"word0", "word3"}
    assert "word1" not in words(data), "the vocabulary is of training alone"


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["a", "b"] * 5, {"label": "class"}, "no column 'class'"),
        (["a"] * 9, {}, "one class only, a"),
        (["a", ""] * 5, {}, "a row without a label"),
        (["a", "b"] * 5, {"positive": "c"}, "unknown label of reviews 'c'"),
        (["a", "b"] * 5, {"split": "label"}, "a split 'a'"),
    ],
)
def test_files_that_cannot_be_learnt_are_refused_in_a_line(
    tmp_path: Path, labels: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(tmp_path, written(tmp_path, labels), **options)


@pytest.mark.parametrize(("valid", "test"), [(0.5, 0.5), (0, 0.1), (0.1, 1)])
def test_shares_that_leave_nothing_are_refused(valid: float, test: float) -> None:
    with pytest.raises(UsageError, match="leave no texts"):
        Texts("reviews.csv", valid=valid, test=test)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv is missing; put the texts there"):
        loaded(tmp_path, "none.csv")


def test_no_word_vectors_are_needed() -> None:
    assert Texts("reviews.csv").settings_type().vectors == ""
    assert TextSettings().vectors != ""
