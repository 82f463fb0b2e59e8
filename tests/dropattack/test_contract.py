"""Every registered method keeps the contract that `dropattack.testing` asks of a user's own."""

import dropattack
from dropattack.testing import MethodContract
from tests.dropattack.toys import HYPERPARAMETERS

MORE = {
    "apb": [{}],
    "dropattack": [{}],
    "dropout": [{}],
    "pgd": [
        {"random_start": True, "k": 2},
        {"random_start": True, "clean": False, "norm": "linf", "k": 1},
        {"random_start": True, "epsilon": 0},
        {"random_start": True, "epsilon": 0, "clean": False, "k": 1},
    ],
    "standard": [{"rounds": 3}],
}
"""Further hyperparameters to try a method with."""


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
    "freeat": ({"m": 1, "epsilon": 0}, 1),
    "freelb": ({"magnitude": 0, "step_size": 0}, 1),
    "l1": ({"strength": 0}, 1),
    "l2": ({"strength": 0}, 1),
    "pgd": ({"epsilon": 0, "k": 2}, 2),
    "rwp": ({"sigma": 0, "clean_weight": 0.25}, 1),
    "sam": ({"rho": 0}, 1),
    "standard": ({}, 1),
}
"""Values without attack, and the multiple of the plain gradient that they give; of all but apb, whose
biases the optimizer never updates."""


def suite(name):
    values = [HYPERPARAMETERS.get(name, {}), *MORE.get(name, [])]
    idle, multiple = IDLE.get(name, (None, 1))
    declared = {"method": name, "hyperparameters": values, "idle": idle, "multiple": multiple}
    return type(name, (MethodContract,), declared)


globals().update({f"Test_{name}": suite(name) for name in sorted(dropattack.registered())})


def test_only_apb_cannot_be_idle():
    assert sorted(dropattack.registered()) == sorted([*IDLE, "apb"])
