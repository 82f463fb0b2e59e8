"""What a recipe and an objective cannot do is refused where the sweep is read."""

from typing import Any

import pytest

from dropattack import UsageError
from search.definition.sweepfile import parse_sweep


def refused(methods: dict[str, Any], **changes: Any) -> str:
    raw = {"name": "own", "workload": "digits-lenet5", "stages": [{"name": "grid", "methods": methods}]}
    with pytest.raises(UsageError) as caught:
        parse_sweep(raw | changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("accumulate", [2, [1, 4]])
@pytest.mark.parametrize(
    ("name", "space"),
    [
        ("freeat", {}),
        ("standard", {"rounds": [1, 2], "updates": ["more", "same"]}),
        ("dropattack", {"control": ["none", "same-updates"]}),
    ],
)
def test_updates_of_several_batches(accumulate: Any, name: str, space: dict[str, Any]) -> None:
    said = refused({name: space}, training={"accumulate": accumulate})
    assert f"training.accumulate: {name} makes its own updates" in said


def test_methods_that_can_accumulate_do() -> None:
    methods = {"standard": {"rounds": 2}, "dropattack": {"control": ["none", "equal-passes"]}, "sam": {}}
    stage = {"name": "grid", "methods": methods}
    parse_sweep(
        {"name": "own", "workload": "digits-lenet5", "training": {"accumulate": 4}, "stages": [stage]}
    )


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"optimizer": "sgd", "nesterov": True}, "nesterov needs momentum"),
        ({"optimizer": "lion"}, "unknown value of optimizer 'lion'"),
        ({"milestones": "30+60", "schedule": "step"}, "milestones must be shares"),
        ({"augment": "rotate"}, "unknown value of augment 'rotate'"),
    ],
)
def test_settings_that_mean_nothing(training: dict[str, Any], message: str) -> None:
    assert message in refused({"standard": {}}, training=training)


def test_attacks_on_a_regression() -> None:
    said = refused(
        {"standard": {}},
        workload="diabetes-mlp",
        select={"metric": "rmse"},
        training={"robustness": "fgsm:0.1"},
    )
    assert "diabetes-mlp does not classify" in said


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (
            {"label_smoothing": 0.1},
            "training.label_smoothing spreads labels over classes, and diabetes-mlp has none",
        ),
        (
            {"label_smoothing": {"low": 0.0, "high": 0.2, "step": 0.1}},
            "training.label_smoothing spreads labels",
        ),
        (
            {"balanced": True, "train_size": 50},
            "training.balanced counts classes, and diabetes-mlp does not classify",
        ),
        ({"balanced": [False, True]}, "training.balanced counts classes"),
    ],
)
def test_settings_of_classes_in_a_regression(training: dict[str, Any], message: str) -> None:
    select = {"metric": "rmse"}
    assert message in refused({"standard": {}}, workload="diabetes-mlp", select=select, training=training)


def test_settings_of_classes_where_there_are_some() -> None:
    stage = {"name": "grid", "methods": {"standard": {}}}
    training = {"label_smoothing": [0.0, 0.1], "balanced": True, "train_size": 50}
    parse_sweep({"name": "own", "workload": "breast-cancer-mlp", "training": training, "stages": [stage]})


@pytest.mark.parametrize("split", ["leave-one-group-out", ["fixed", "leave-one-group-out"]])
def test_leaving_out_a_group_where_there_is_none(split: Any) -> None:
    said = refused({"standard": {}}, training={"split": split})
    assert "needs a group of each example, and the data of digits-lenet5 name none" in said
    stage = {"name": "grid", "methods": {"standard": {}}}
    parse_sweep({"name": "own", "workload": "pheme-bigru", "training": {"split": split}, "stages": [stage]})


@pytest.mark.parametrize("method", ["trades", "vat", "r-drop"])
def test_methods_that_compare_distributions_in_a_regression(method: str) -> None:
    select = {"metric": "rmse", "mode": "min"}
    said = refused({method: {}}, workload="diabetes-mlp", select=select)
    assert f"{method} compares distributions over classes, and diabetes-mlp predicts none" in said
