"""A plan says where the sum of DropAttack's gradients lengthens the steps of SGD, and nowhere else."""

from typing import Any

import pytest

from search.definition.source import bundled_sweeps
from search.definition.sweepfile import load_sweep
from search.engine.summed_gradients import remarks_on_summed_gradients
from tests.search.simulation import sweep

SGD = {"optimizer": "sgd", "momentum": 0.9}


@pytest.mark.parametrize(
    ("methods", "training", "said"),
    [
        ({"dropattack": {}}, SGD, True),
        ({"dropattack": {"combine": ["mean", "sum"]}}, SGD, True),
        ({"dropattack": {}}, {"optimizer": ["adam", "sgd"]}, True),
        ({"dropattack": {}}, {**SGD, "clip_norm": [0, 1]}, True),
        ({"dropattack": {"control": ["none", "equal-passes"]}}, SGD, True),
        ({"dropattack": {"combine": "mean"}}, SGD, False),
        ({"dropattack": {"control": "equal-passes"}}, SGD, False),
        ({"dropattack": {}}, {**SGD, "clip_norm": 1}, False),
        ({"dropattack": {}}, {}, False),
        ({"dropattack": {}}, {"optimizer": "rmsprop"}, False),
        ({"sam": {}, "fgm": {}, "standard": {}}, SGD, False),
    ],
)
def test_what_is_said(methods: dict[str, Any], training: dict[str, Any], said: bool) -> None:
    stages = [{"name": "only", "methods": methods}, {"name": "again", "methods": methods}]
    found = remarks_on_summed_gradients(sweep(stages=stages, training={"epochs": 1, **training}))
    assert [line.partition(" sums ")[0] for line in found] == ["digits-lenet5: DropAttack"] * said


def test_of_the_sweeps_that_ship_it_is_said_of_the_one_that_shows_it() -> None:
    told = [name for name in bundled_sweeps() if remarks_on_summed_gradients(load_sweep(name))]
    assert told == ["digits-recipes"]
