"""torch's optimizers, with the settings that each of them has."""

from typing import Any

import pytest
import torch
from torch import nn

from dropattack import UsageError
from trainables.recipe.optimizer import OptimizerSettings, idle, optimizer_for


def model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.LazyLinear(3))


@pytest.mark.parametrize(
    ("settings", "kind", "options"),
    [
        ({}, torch.optim.Adam, {"lr": 1e-3, "betas": (0.9, 0.999), "weight_decay": 0, "fused": True}),
        (
            {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
            torch.optim.SGD,
            {"lr": 0.1, "momentum": 0.9, "nesterov": True, "fused": True},
        ),
        ({"optimizer": "sgd", "beta1": 0.5}, torch.optim.SGD, {"momentum": 0, "nesterov": False}),
        (
            {"optimizer": "adamw", "weight_decay": 0.05, "beta2": 0.95, "momentum": 0.3},
            torch.optim.AdamW,
            {"betas": (0.9, 0.95), "weight_decay": 0.05},
        ),
        ({"optimizer": "rmsprop", "momentum": 0.9}, torch.optim.RMSprop, {"momentum": 0.9}),
        ({"optimizer": "nadam"}, torch.optim.NAdam, {}),
        ({"optimizer": "radam"}, torch.optim.RAdam, {}),
        ({"optimizer": "adagrad", "weight_decay": 0.1}, torch.optim.Adagrad, {"weight_decay": 0.1}),
    ],
)
def test_an_optimizer_has_what_its_settings_say(
    settings: dict[str, Any], kind: type, options: dict[str, Any]
) -> None:
    made = optimizer_for(nn.Linear(2, 2), OptimizerSettings(**settings))
    assert type(made) is kind
    (group,) = made.param_groups
    assert {name: group[name] for name in options} == options
    nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()
    made.step()


def test_weights_alone_can_decay() -> None:
    trained = model()
    trained(torch.zeros(2, 1, 5, 5))
    made = optimizer_for(trained, OptimizerSettings(weight_decay=0.1, weight_decay_on="weights"))
    decays = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    expected = {"0.weight": 0.1, "0.bias": 0, "1.weight": 0, "1.bias": 0, "3.weight": 0.1, "3.bias": 0}
    assert {name: decays[id(p)] for name, p in trained.named_parameters()} == expected


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(UsageError, match="nesterov needs momentum"):
        OptimizerSettings(optimizer="sgd", nesterov=True)
    OptimizerSettings(optimizer="adam", nesterov=True)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, {"momentum", "nesterov", "weight_decay_on"}),
        ({"optimizer": "sgd"}, {"nesterov", "beta1", "beta2", "weight_decay_on"}),
        ({"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1}, {"beta1", "beta2"}),
        ({"optimizer": "rmsprop"}, {"nesterov", "beta1", "beta2", "weight_decay_on"}),
        ({"optimizer": "adagrad"}, {"momentum", "nesterov", "beta1", "beta2", "weight_decay_on"}),
    ],
)
def test_what_an_optimizer_does_not_know_is_idle(settings: dict[str, Any], names: set[str]) -> None:
    assert set(idle(OptimizerSettings(**settings))) == names
