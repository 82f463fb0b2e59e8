"""A plan says where the sum of DropAttack's gradients lengthens the steps of SGD, and nowhere else."""

from typing import Any

import pytest
import torch
from torch import nn

from dropattack import Task, method_named
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
        ({"sam": {}, "standard": {}, "fgsm-rs": {}, "fgm": {"clean": False}}, SGD, False),
    ],
)
def test_what_is_said(methods: dict[str, Any], training: dict[str, Any], said: bool) -> None:
    stages = [{"name": "only", "methods": methods}, {"name": "again", "methods": methods}]
    found = remarks_on_summed_gradients(sweep(stages=stages, training={"epochs": 1, **training}))
    assert [line.partition(" adds ")[0] for line in found] == ["digits-lenet5: dropattack"] * said


def test_attacks_on_the_input_beside_the_clean_batch_add_up_too() -> None:
    methods: dict[str, Any] = {
        "fgm": {},
        "fgsm": {},
        "fgsm-rs": {"clean": [False, True]},
        "pgd": {},
        "sam": {},
    }
    stages = [{"name": "only", "methods": methods}]
    found = remarks_on_summed_gradients(sweep(stages=stages, training={"epochs": 1, **SGD}))
    named = [line.partition(" adds ")[0].removeprefix("digits-lenet5: ") for line in found]
    assert named == ["fgm", "fgsm", "fgsm-rs", "pgd"]
    assert not any("combine" in line for line in found)


def test_a_method_adds_where_its_update_is_as_long_as_two_plain_ones() -> None:
    """With a perturbation of 0, the gradient of the step is twice the plain one, by `torch.autograd`."""
    cases: list[tuple[str, dict[str, Any]]] = [
        *(("fgm", {}), ("fgm", {"clean": False})),
        *(("dropattack", {"combine": "mean"}), ("dropattack", {})),
    ]
    for name, settings in cases:
        kind = method_named(name)
        made = kind.settings_type(epsilon=0.0, **settings)
        model = nn.Linear(3, 2, dtype=torch.float64)
        inputs = torch.randn(4, 3, dtype=torch.float64)
        labels = torch.tensor([0, 1, 1, 0])
        (plain,) = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), labels), [model.weight])
        method = kind(made, Task(generator=torch.Generator()))
        before = model.weight.detach().clone()
        method.step(model, (inputs, labels), torch.optim.SGD(model.parameters(), lr=1.0))
        longer = float((before - model.weight.detach()).norm() / plain.norm())
        assert longer == pytest.approx(2 if made.adds_gradients else 1)


def test_of_the_sweeps_that_ship_it_is_said_of_the_one_that_shows_it() -> None:
    told = [name for name in bundled_sweeps() if remarks_on_summed_gradients(load_sweep(name))]
    assert told == ["digits-recipes"]
