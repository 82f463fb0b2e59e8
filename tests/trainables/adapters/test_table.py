"""Tables in CSV and parquet, against scikit-learn's own encoders and by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dropattack import Settings, UsageError
from trainables import Data, Table
from trainables.recipe.splitting import split_for

ROWS = pd.DataFrame(
    {
        "age": [20, 30, np.nan, 50, 60, 30, 20, 10, 40, 70],
        "town": ["Rome", "Oslo", None, "Rome", "Oslo", "Rome", "Oslo", "Rome", "Oslo", "Bern"],
        "member": [True, False] * 5,
        "row": range(10),
        "part": ["train"] * 6 + ["valid"] * 2 + ["test"] * 2,
        "churned": ["yes", "no"] * 5,
        "spent": np.linspace(0, 9, 10),
    }
)


def loaded(folder: Path, rows: pd.DataFrame = ROWS, ending: str = "csv", **options: Any) -> Data:
    path = folder / f"people.{ending}"
    rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path)
    given = {"label": "churned", "drop": ["row", "spent"], "split": "part", **options}
    return Table(path.name, **given).load(folder, Settings())


def rows_of(data: Data) -> torch.Tensor:
    splits = (data.train, data.valid, data.test)
    return torch.cat([inputs for split in splits for inputs, _ in split.batches(100)])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_numbers_are_scaled_by_the_training_rows_and_words_have_columns(tmp_path: Path, ending: str) -> None:
    data = loaded(tmp_path, ending=ending)
    assert data.extras["columns"] == ["age", "member", "town=", "town=Oslo", "town=Rome"]
    assert (data.features, data.classes, data.extras["labels"]) == (5, 2, ["no", "yes"])
    found = rows_of(data)
    ages = np.array([20, 30, 30, 50, 60, 30])  # the median of what is known takes the missing one's place
    assert found[:6, 0].numpy() == pytest.approx((ages - ages.mean()) / ages.std(), abs=1e-6)
    assert found[9, 0].item() == pytest.approx((70 - ages.mean()) / ages.std(), abs=1e-6)
    assert found[2, 2:].tolist() == [1, 0, 0]
    assert found[9, 2:].tolist() == [0, 0, 0], "no training row is of Bern"
    assert data.train.labels.tolist() == [1, 0] * 3
    assert data.extras["encoding"]["age"]["missing"] == 30


def test_numbers_are_learnt_where_labels_are_numbers(tmp_path: Path) -> None:
    data = loaded(tmp_path, label="spent", drop=["churned", "row"])
    assert data.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.train.labels.dtype == torch.float32
    whole = loaded(tmp_path, label="row", drop=["churned", "spent"], regression=True)
    assert whole.classes == 1
    assert "labels" not in whole.extras


def test_the_positive_class_is_named_as_the_table_names_it(tmp_path: Path) -> None:
    assert loaded(tmp_path, positive="yes").positive == 1
    assert loaded(tmp_path, positive="no").positive == 0
    with pytest.raises(UsageError, match="unknown label of people 'maybe'"):
        loaded(tmp_path, positive="maybe")


def test_an_edited_table_and_another_option_have_other_checksums(tmp_path: Path) -> None:
    found = {loaded(tmp_path).checksum, loaded(tmp_path, drop=["row"]).checksum}
    found.add(loaded(tmp_path, split="", drop=["row", "part", "spent"]).checksum)
    edited = ROWS.assign(age=ROWS["age"] + 1)
    found.add(loaded(tmp_path, edited).checksum)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS, {"label": "churn"}, "unknown column of people.csv 'churn'; did you mean 'churned'"),
        (ROWS, {"drop": ["rows"]}, "unknown column of people.csv 'rows'; did you mean 'row'"),
        (ROWS.assign(part="test"), {}, "no example of the split 'train'"),
        (ROWS.assign(age=np.inf), {}, "column 'age' holds an infinite number"),
        (ROWS[["churned", "part"]], {"drop": []}, "no column beside the label"),
        (ROWS.assign(churned=["yes"] + [None] * 9), {}, "example 2 has no label"),
        (ROWS[:0], {}, "has no rows"),
        (ROWS, {"groups": "town"}, "row 3 has no group in 'town'; leave it out"),
        (ROWS, {"groups": "twn"}, "unknown column of people.csv 'twn'; did you mean 'town'"),
    ],
)
def test_tables_that_cannot_be_learnt_are_refused_in_a_line(
    tmp_path: Path, rows: pd.DataFrame, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(tmp_path, rows, **options)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([f"person {i}" for i in range(300)], "'it' has 300 different words"),
        ([str(i % 7) for i in range(299)] + ["unknown"], "'it' holds numbers but for 'unknown'"),
        ([f"2020-01-{i % 28 + 1:02}" for i in range(300)], "'it' holds dates"),
        (pd.date_range("2020-01-01", periods=300), "'it' holds times"),
        ([[1, 2]] * 300, "'it' holds lists"),
    ],
)
def test_columns_that_are_no_categories_are_refused_with_what_to_do(
    tmp_path: Path, column: Any, message: str
) -> None:
    many = pd.DataFrame({"it": column, "name": [f"x{i}" for i in range(300)], "churned": ["a", "b"] * 150})
    with pytest.raises(UsageError, match=message) as refused:
        loaded(tmp_path, many, "parquet", drop=[], split="")
    assert "'name' has 300 different words" in str(refused.value), "all at once"
    assert "drop=[…]" in str(refused.value)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["None", "n/a"] * 20, ["None", "n/a"]),
        (["1", "2"] * 20, [1, 2]),
        (["True", "False"] * 20, ["False", "True"]),
        (["1", "two"] * 20, ["1", "two"]),
    ],
)
def test_labels_of_a_csv_file_are_what_they_say(tmp_path: Path, labels: list[str], names: list[Any]) -> None:
    rows = pd.DataFrame({"a": range(40), "churned": labels})
    assert loaded(tmp_path, rows, drop=[], split="").extras["labels"] == names
    rows.loc[3, "churned"] = ""
    with pytest.raises(UsageError, match="example 4 has no label"):
        loaded(tmp_path, rows, drop=[], split="")


def test_missing_words_of_a_parquet_file_are_a_category_of_their_own(tmp_path: Path) -> None:
    rows = pd.DataFrame({"kind": pd.array(["a", None] * 20, dtype="string"), "churned": [0, 1] * 20})
    data = loaded(tmp_path, rows, "parquet", drop=[], split="")
    assert data.extras["columns"] == ["kind=", "kind=a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"\x00\xff\xfe", "not UTF-8 text .*; save it as UTF-8")],
)
def test_files_that_are_no_tables_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "broken.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        Table("broken.csv", "label").load(tmp_path, Settings())
    with pytest.raises(UsageError, match="is missing; put the table there"):
        Table("none.csv", "label").load(tmp_path, Settings())


def test_a_column_may_name_groups_which_a_trial_leaves_out(tmp_path: Path) -> None:
    rows = ROWS.assign(patient=["a", "a", "b", "b", "a", "c", "c", "b", "a", "c"])
    data = loaded(tmp_path, rows, groups="patient")
    assert data.groups is not None
    assert list(data.groups.names) == ["a", "b", "c"]
    assert data.groups.train.tolist() == [0, 0, 1, 1, 0, 2]
    assert data.groups.test.tolist() == [0, 2]
    assert data.features == loaded(tmp_path, rows, drop=["row", "spent", "patient"]).features
    part = split_for("leave-one-group-out", 1, 0, data)
    assert len(part.test) == 3
    assert loaded(tmp_path, rows, groups="member").checksum != data.checksum


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_columns_that_no_comma_separates_are_told(tmp_path: Path, sign: str, name: str) -> None:
    ROWS.to_csv(tmp_path / "t.csv", index=False, sep=sign)
    with pytest.raises(UsageError, match=f"separates its columns by {name}; save it with commas"):
        Table("t.csv", label="churned").load(tmp_path, Settings())


def test_a_table_in_another_encoding_is_told(tmp_path: Path) -> None:
    ROWS.assign(town="Zürich").to_csv(tmp_path / "t.csv", index=False, encoding="cp1252")
    with pytest.raises(UsageError, match=r"t.csv is not UTF-8 text .*; save it as UTF-8"):
        Table("t.csv", label="churned").load(tmp_path, Settings())
