"""A value that nobody knows is refused with the nearest that is known."""

from typing import Any

import pytest

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.sweepfile import load_sweep

ATTACK = "stages.sensitivity.methods.dropattack"


@pytest.mark.parametrize(
    ("path", "value", "near"),
    [
        ("training.optimizer", "SGD", "sgd"),
        ("training.optimizer", "AdamW", "adamw"),
        ("training.schedule", "Cosine", "cosine"),
        ("training.augment", "crop_flip", "crop-flip"),
        ("stages.search.scheduler", "asa", "asha"),
        ("stages.search.scheduler", {"kind": "ASHA"}, "asha"),
        ("stages.search.search.kind", "Optuna", "optuna"),
        ("stages.search.budget", "pass", "passes"),
        ("stages.confirm.search.controls", ["equal_passes"], "equal-passes"),
        ("select.metric", "valid_accuracy", "accuracy"),
        ("select.metric", "Macro_F1", "macro_f1"),
        ("select.mode", "maximum", "max"),
        ("workload", "Digits-LeNet5", "digits-lenet5"),
        (ATTACK, {"targets": "conv1.x"}, "conv1.w"),
        (ATTACK, {"control": "p_one"}, "p-one"),
        (ATTACK, {"Epsilon": 1}, "epsilon"),
        ("stages.sensitivity.methods.DropAttack", {}, "dropattack"),
    ],
)
def test_capitals_underscores_and_slips_are_no_hindrance(path: str, value: Any, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*'{near}'") as refused:
        load_sweep("demo", {path: value})
    assert "\n" not in str(refused.value)


def test_names_that_differ_in_capitals_alone_are_both_near() -> None:
    assert str(unknown("thing", "AB-c", ["ab_c", "Ab-C", "other"])).startswith(
        "unknown thing 'AB-c'; did you mean 'ab_c' or 'Ab-C'?"
    )
    assert str(unknown("thing", "nothing like it", ["x"])) == "unknown thing 'nothing like it'; valid: x"
    assert str(unknown("thing", "a", [])) == "unknown thing 'a'; valid: (none)"
