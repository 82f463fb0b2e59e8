"""Records: tidy whatever the order and type of what was recorded."""

import numpy as np
import pandas as pd
import pytest

from analysis.records import Metric, Records, describe
from tests.analysis import synthetic


def test_order_of_rows_and_columns_does_not_matter() -> None:
    frame = synthetic.trials()
    shuffled = frame.sample(frac=1, random_state=0)[sorted(frame.columns, reverse=True)]
    pd.testing.assert_frame_equal(synthetic.records(frame).trials, synthetic.records(shuffled).trials)


def test_numbers_recorded_as_text_are_numbers_again() -> None:
    frame = (
        synthetic.trials().astype({"epsilon": object, "seed": object}).map(lambda v: v if v != v else str(v))
    )
    tidy = Records(frame).trials
    assert (
        tidy["epsilon"].dropna().unique().tolist() == synthetic.trials()["epsilon"].dropna().unique().tolist()
    )
    assert tidy["seed"].dtype == float


def test_hyperparameters_are_what_is_neither_metric_nor_setting() -> None:
    records = synthetic.records()
    assert records.hyperparameters == ["targets", "epsilon", "p", "k"]
    assert records.training == ["training.epochs", "training.train_size"]


def test_infinite_and_missing_results_do_not_count_as_complete() -> None:
    frame = synthetic.trials(seeds=[0], epsilons=[1], ps=[0.5])
    frame["value"] = [np.inf, np.nan, 0.5, 0.6][: len(frame)]
    assert synthetic.records(frame).complete()["value"].tolist() == [0.5, 0.6]


def test_confirmations_are_found_by_kind_and_by_name() -> None:
    frame = synthetic.trials(seeds=[0], stage="final")
    stages = {"stages": [{"name": "final", "search": {"kind": "confirm"}}]}
    assert Records(frame, sweep=stages).confirmations == ["final"]
    assert Records(frame).confirmations == []
    assert Records(frame.assign(stage="confirm")).confirmations == ["confirm"]


def test_reported_metric_is_of_the_test_split_where_there_is_one() -> None:
    frame = synthetic.trials(seeds=[0])
    assert synthetic.records(frame).reported.column == "test_accuracy"
    assert synthetic.records(frame.drop(columns="test_accuracy")).reported.column == "valid_accuracy"


@pytest.mark.parametrize(
    ("column", "label", "scale"),
    [
        ("valid_accuracy", "validation accuracy (%)", 100),
        ("test_macro_f1", "test macro F1 (%)", 100),
        ("valid_loss", "validation loss", 1),
    ],
)
def test_metric_names_for_people(column: str, label: str, scale: float) -> None:
    assert (Metric(column).label, Metric(column).scale) == (label, scale)


def test_a_configuration_in_one_line() -> None:
    row = {
        "method": "dropattack",
        "targets": "input+conv1.w",
        "epsilon": 5.0,
        "p": np.nan,
        "k": 1.0,
        "note": None,
    }
    assert describe(row, list(row)) == "dropattack input+conv1.w · ε\xa05 · K\xa01"
