"""Updates that are left out because their gradient is not finite, by every optimizer, away from the CPU."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from tests.gpu.conftest import Away
from tests.pretended import AWAY, pretended
from trainables.recipe.optimizer import _FUSED, _TORCHS, optimizer_for
from trainables.recipe.settings import TrainingSettings

INPUTS = torch.linspace(-1, 1, 12).view(4, 3)
LABELS = torch.tensor([0, 1, 0, 1])


def fresh(name: str, device: torch.device) -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    """A linear model with an optimizer and the standard method."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2).to(device)
    task = dropattack.Task(names={"hidden": "weight"})
    optimizer = optimizer_for(model, TrainingSettings(optimizer=name, learning_rate=0.1))
    return model, optimizer, dropattack.create("standard", task=task)


def taken(name: str, scales: list[float], device: torch.device) -> list[Tensor]:
    """The weights after each of some steps, whose inputs are so many times as large."""
    model, optimizer, method = fresh(name, device)
    found = []
    for scale in scales:
        method.step(model, ((INPUTS * scale).to(device), LABELS.to(device)), optimizer)
        found.append(torch.cat([p.detach().flatten() for p in model.parameters()]).cpu().clone())
    return found


@pytest.mark.parametrize("name", sorted(_TORCHS))
def test_a_gradient_that_is_not_finite_changes_neither_weights_nor_what_follows(
    name: str, away: Away
) -> None:
    expected = taken(name, [1.0, 2.0], torch.device("cpu"))
    with away() as device:
        first, left_out, second = taken(name, [1.0, float("inf"), 2.0], device)
    assert torch.equal(first, left_out)
    torch.testing.assert_close(first, expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(second, expected[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(_TORCHS))
def test_the_host_waits_for_those_optimizers_alone_that_cannot_look_themselves(name: str) -> None:
    with pretended() as watch:
        model, optimizer, method = fresh(name, AWAY)
        inputs, labels = INPUTS.to(AWAY), LABELS.to(AWAY)
        method.step(model, (inputs, labels), optimizer)
        watch.waits.clear()
        method.step(model, (inputs, labels), optimizer)
    assert sum(watch.waits.values()) == (0 if name in _FUSED else 1), dict(watch.waits)
