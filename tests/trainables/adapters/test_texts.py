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
    with pytest.raises(UsageError, match="above 0, and together below 1"):
        Texts("reviews.csv", valid=valid, test=test)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv is missing; put the texts there"):
        loaded(tmp_path, "none.csv")


def test_no_word_vectors_are_needed() -> None:
    assert Texts("reviews.csv").settings_type().vectors == ""
    assert TextSettings().vectors != ""


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_columns_that_no_comma_separates_are_told(tmp_path: Path, sign: str, name: str) -> None:
    (tmp_path / "t.csv").write_text(f"text{sign}label\ngood{sign}1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"columns are separated by {name}; save it with commas"):
        loaded(tmp_path, "t.csv")


def test_columns_and_shares_are_part_of_what_is_read(tmp_path: Path) -> None:
    """Of one file that stays as it is, each reading is its own, also in the node's cache."""
    rows = [f"title{i},body{i},{i % 2},{i % 3}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["title,body,label,other", *rows]), encoding="utf-8")
    title, body = (loaded(tmp_path, "t.csv", text=column) for column in ("title", "body"))
    assert title.checksum != body.checksum
    assert all(word.startswith("title") for word in words(title)[2:])
    assert all(word.startswith("body") for word in words(body)[2:])
    assert loaded(tmp_path, "t.csv", text="title", label="other").classes == 3
    assert len(loaded(tmp_path, "t.csv", text="title", valid=0.4).valid) == 12
    assert len(title.valid) == 6


def test_a_column_may_name_groups(tmp_path: Path) -> None:
    rows = [f"text{i},{i % 2},{('ann', 'bob', 'cy')[i % 3]}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label,author", *rows]), encoding="utf-8")
    dataset = Texts("t.csv", groups="author")
    data = dataset.load(tmp_path, dataset.settings_type())
    assert dataset.grouped
    assert data.groups is not None
    assert list(data.groups.names) == ["ann", "bob", "cy"]
    texts, _ = dataset.documents(tmp_path, dataset.settings_type())
    said = [int(text.removeprefix("text")) % 3 for text in texts[0].texts]
    assert data.groups.train.tolist() == said
    (tmp_path / "t.csv").write_text("text,label,author\na,1,\nb,0,x\n", encoding="utf-8")
    with pytest.raises(UsageError, match="text 1 has no group in 'author'"):
        dataset.load(tmp_path, dataset.settings_type())
