"""Trials for other tools: a row each, and columns whose types are those that settings declare."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.export import trials_table
from analysis.records import Records
from analysis.report import write_report
from tests.analysis import synthetic

SMALL: dict[str, Any] = {"targets": ["input"], "epsilons": [1, 5], "ps": [0.5], "seeds": range(2)}


def _trials(**columns: Any) -> pd.DataFrame:
    return synthetic.trials(**SMALL).assign(**columns)


def _read(records: Records, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    write_report(records, folder, ["csv", "parquet"])
    return pd.read_csv(folder / "trials.csv"), pd.read_parquet(folder / "trials.parquet")


def test_every_trial_has_a_row(tmp_path: Path) -> None:
    """Also those that failed, were stopped, or share a key; by key."""
    frame = _trials()
    frame.loc[0, ["state", "value", "reason"]] = ["failed", np.nan, "out of memory, twice"]
    frame.loc[1, "state"] = "pruned"
    frame.loc[2, "key"] = frame.loc[3, "key"]
    for table in _read(synthetic.records(frame), tmp_path):
        assert len(table) == len(frame)
        assert list(table["key"]) == sorted(frame["key"])
        states = table.set_index("key")["state"]
        assert (states[frame.loc[0, "key"]], states[frame.loc[1, "key"]]) == ("failed", "pruned")
        assert table["reason"].dropna().to_list() == ["out of memory, twice"]


TYPES = {
    **dict.fromkeys(["epsilon", "p", "value", "passes", "seconds", "test_accuracy", "rounds"], "float64"),
    **dict.fromkeys(["training.learning_rate"], "float64"),
    **dict.fromkeys(["seed", "epochs", "best_epoch", "k", "interval", "training.epochs"], "Int64"),
    **dict.fromkeys(["model.hidden1"], "Int64"),
    **dict.fromkeys(["rescale", "training.balanced"], "boolean"),
    **dict.fromkeys(["key", "state", "method", "targets", "norm", "training.milestones"], "string"),
}


def test_types_are_those_of_the_settings_whatever_their_values(tmp_path: Path) -> None:
    """Whole numbers of ε are floats; a list of one number is text; a baseline's settings are missing."""
    attack = _trials()["method"] == "dropattack"
    records = synthetic.records(
        _trials(
            **{
                "rescale": np.where(attack, True, None),
                "norm": np.where(attack, "tensor", None),
                "interval": np.where(attack, 1, None),
                "rounds": np.where(attack, None, 1),
                "best_epoch": 3,
                "training.balanced": False,
                "training.learning_rate": 1,
                "training.milestones": "0.5",
                "model.hidden1": 120,
            }
        )
    )
    table = trials_table(records)
    assert {name: str(table[name].dtype) for name in TYPES} == TYPES
    assert table["epsilon"].dropna().unique().tolist() == [1.0, 5.0]
    assert table.loc[table["method"] == "standard", ["k", "rescale", "norm", "epsilon"]].isna().all(axis=None)
    assert table["training.milestones"].unique().tolist() == ["0.5"]
    _, read = _read(records, tmp_path)
    pd.testing.assert_frame_equal(read, table.reset_index(drop=True))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([True, False], "boolean"), ([1, 2], "float64"), ([0.5, 2], "float64"), (["True", "x"], "string")],
)
def test_settings_that_nobody_declares_have_the_type_of_their_values(values: list[Any], dtype: str) -> None:
    """Those of a workload or method that is not known here."""
    frame = _trials(workload="own:gone")
    column = [values[number % 2] for number in range(len(frame))]
    table = trials_table(synthetic.records(frame.assign(**{"model.mine": column})))
    assert str(table["model.mine"].dtype) == dtype
    assert set(table["model.mine"]) == set(values)


def test_truth_values_read_as_such_in_tables(tmp_path: Path) -> None:
    """Not as 0 and 1; from a store as from MLflow, which keeps text."""
    pages = []
    for number, values in enumerate(([True, False], ["True", "False"], [np.True_, np.False_])):
        frame = _trials()
        frame["rescale"] = [
            values[n % 2] if m == "dropattack" else None for n, m in enumerate(frame["method"])
        ]
        write_report(synthetic.records(frame), tmp_path / str(number), ["html"])
        pages.append((tmp_path / str(number) / "report.html").read_text(encoding="utf-8"))
    assert pages[0] == pages[1] == pages[2]
    assert "rescale\N{NO-BREAK SPACE}True" in pages[0]
    assert "rescale\N{NO-BREAK SPACE}1" not in pages[0]


def test_an_empty_sweep_is_an_empty_table(tmp_path: Path) -> None:
    csv, parquet = _read(Records(pd.DataFrame()), tmp_path)
    assert len(csv) == len(parquet) == 0
    assert {"key", "seed", "value"} <= set(csv)
