"""Every registered method keeps the contract that `dropattack.testing` asks of a user's own."""

import dropattack
from dropattack.testing import MethodContract
from dropattack.testing.methods.models import Normalised, Recurrent
from tests.dropattack.toys import HYPERPARAMETERS

MORE = {
    "apb": [{}],
    "dropattack": [{}],
    "dropout": [{}],
    "fgm": [{"text_input": "normalised", "norm_over": "token"}],
    "pgd": [
        {"random_start": True, "k": 2},
        {"random_start": True, "epsilon": 0},
        {"random_start": True, "epsilon": 0, "clean": False, "k": 1},
    ],
    "standard": [{"rounds": 3}],
    "trades": [{"k": 1, "attack_mode": "eval", "noise": "uniform"}],
}
"""Further hyperparameters to try a method with."""


FEWER = dict.fromkeys(("fgsm-rs", "n-fgsm"), (Normalised, Recurrent))
"""Models for methods that differ in numbers alone from one that all are tried on."""

IDLE = {
    "asam": ({"rho": 0}, 1),
    "awp": ({"gamma": 0, "epsilon": 0}, 1),
    "dropattack": ({"targets": "input+hidden", "epsilon": 0, "k": 2}, 3),
    "dropen": ({"cosine": 0, "smoothness": 0}, 1),
    "dropen-pgd": ({"epsilon": 0, "final_epsilon": 0}, 1),
    "dropout": ({"rate": 0}, 1),
    "esam-swp": ({"rho": 0}, 1),
    "fgm": ({"epsilon": 0}, 2),
    "fgsm": ({"epsilon": 0, "clean": False}, 1),
    "fgsm-rs": ({"epsilon": 0}, 1),
    "freeat": ({"m": 1, "epsilon": 0}, 1),
    "freelb": ({"magnitude": 0, "step_size": 0}, 1),
    "l1": ({"strength": 0}, 1),
    "l2": ({"strength": 0}, 1),
    "msam": ({"rho": 0}, 1),
    "n-fgsm": ({"epsilon": 0}, 1),
    "pgd": ({"epsilon": 0, "k": 2}, 2),
    "rwp": ({"sigma": 0, "clean_weight": 0.25}, 1),
    "sam": ({"rho": 0}, 1),
    "standard": ({}, 1),
    "trades": ({"kl_weight": 0}, 1),
    "vat": ({"kl_weight": 0}, 1),
}
"""Values without attack, and the multiple of the plain gradient that they give; of all but apb, whose
biases the optimizer never updates, and r-drop, whose two passes average the model's dropout."""


def suite(name):
    values = [HYPERPARAMETERS.get(name, {}), *MORE.get(name, [])]
    idle, multiple = IDLE.get(name, (None, 1))
    models = FEWER.get(name, MethodContract.models)
    declared = {
        "models": models,
        "method": name,
        "hyperparameters": values,
        "idle": idle,
        "multiple": multiple,
    }
    return type(name, (MethodContract,), declared)


globals().update({f"Test_{name}": suite(name) for name in sorted(dropattack.registered())})


def test_only_two_cannot_be_idle():
    assert sorted(dropattack.registered()) == sorted([*IDLE, "apb", "r-drop"])
