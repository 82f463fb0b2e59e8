"""A plan says where the sum of DropAttack's gradients lengthens the steps of SGD, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from dropattack import Method, Task, method_named
from dropattack.registry import registered
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


SIZES = ("epsilon", "rho", "sigma", "gamma", "step_size", "magnitude")


def test_methods_add_up_where_their_update_is_longer_than_a_plain_one() -> None:
    """With next to no perturbation a sum of two passes is twice the plain gradient, by `torch.autograd`.

    FreeAT makes three updates, dropout scales what it leaves, and Dropen's loss has penalties of other sizes.
    """
    other = {"freeat", "dropout", "dropen"}
    for name, kind in registered().items():
        if kind.__module__.startswith("dropattack.methods") and name not in other:
            defaults = kind.settings_type()
            sizes = {size: 1e-9 for size in SIZES if hasattr(defaults, size)}
            assert (_length(kind(replace(defaults, **sizes), _task())) > 1.5) == defaults.adds_gradients, name
    mean = method_named("dropattack").settings_type(epsilon=1e-9, combine="mean")
    alone = method_named("fgm").settings_type(epsilon=1e-9, clean=False)
    for name, settings in (("dropattack", mean), ("fgm", alone)):
        assert not settings.adds_gradients
        assert _length(method_named(name)(settings, _task())) == pytest.approx(1, abs=1e-6)


def _task() -> Task:
    return Task(generator=torch.Generator().manual_seed(0))


def _length(method: Method[Any]) -> float:
    """How long a method's step is, as a multiple of plain SGD's."""
    rng = torch.Generator().manual_seed(1)
    model = nn.Linear(3, 2, dtype=torch.float64)
    inputs, labels = torch.rand(4, 3, dtype=torch.float64, generator=rng), torch.tensor([0, 1, 1, 0])
    (plain,) = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), labels), [model.weight])
    before = model.weight.detach().clone()
    method.step(model, (inputs, labels), torch.optim.SGD(model.parameters(), lr=1e-3))
    return float((before - model.weight.detach()).norm() / plain.norm()) / 1e-3
