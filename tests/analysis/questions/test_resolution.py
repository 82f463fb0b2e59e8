from typing import Any

import pandas as pd
import pytest
from scipy import stats

from analysis.questions.resolution import resolution
from analysis.records import Metric, Records


def records(accuracies: list[float], **columns: Any) -> Records:
    frame = pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(len(accuracies))],
            "configuration": "a",
            "control": "",
            "stage": "grid",
            "state": "complete",
            "workload": "small",
            "method": "standard",
            "seed": range(len(accuracies)),
            "test_accuracy": accuracies,
            **columns,
        }
    )
    return Records(frame, sweep={"name": "small", "stages": []})


@pytest.mark.parametrize(("accuracy", "n"), [(0.9, 100), (0.975, 300), (0.5, 10_000)])
def test_an_accuracy_is_known_as_well_as_its_number_of_examples_allows(accuracy: float, n: int) -> None:
    (said,) = resolution(records([accuracy] * 3, test_examples=float(n)), Metric("test_accuracy"))
    half = stats.norm.ppf(0.975) * stats.binom(n, accuracy).std() / n * 100
    assert f"±{half:.2f} points" in said
    assert f"{n:,} test examples, the same for all seeds" in said


def test_a_split_that_is_redrawn_is_said_to_be() -> None:
    given = {"test_examples": 88.0, "training.split": "redrawn"}
    (said,) = resolution(records([0.9], **given), Metric("test_accuracy"))
    assert "redrawn for each seed" in said


def test_of_other_metrics_only_the_number_is_said() -> None:
    (said,) = resolution(records([0.9], test_examples=88.0, test_rmse=0.4), Metric("test_rmse", False))
    assert said == "small: 88 test examples, the same for all seeds."


def test_of_earlier_records_nothing_is_said() -> None:
    assert resolution(records([0.9]), Metric("test_accuracy")) == []


def test_groups_that_are_left_out_are_named() -> None:
    given = {
        "training.split": "leave-one-group-out",
        "test_examples": [890.0, 14.0, 890.0],
        "test_group_ottawashooting": [890.0, None, 890.0],
        "test_group_ebola-essien": [None, 14.0, None],
    }
    (said,) = resolution(records([0.9, 0.8, 0.9], **given), Metric("test_accuracy"))
    assert said.startswith(
        "small: left out: ebola-essien (14 test examples, seed 1); "
        "ottawashooting (890 test examples, seeds 0, 2)."
    )


def test_beside_them_other_splits_are_told_too() -> None:
    given = {
        "training.split": ["leave-one-group-out", "redrawn"],
        "test_examples": [14.0, 88.0],
        "test_group_essien": [14.0, None],
    }
    left, redrawn = resolution(records([0.9, 0.8], **given), Metric("test_accuracy"))
    assert "essien (14 test examples, seed 0)" in left
    assert "88 test examples, redrawn for each seed" in redrawn
