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


def suite(name):
    values = [HYPERPARAMETERS.get(name, {}), *MORE.get(name, [])]
    return type(name, (MethodContract,), {"method": name, "hyperparameters": values})


globals().update({f"Test_{name}": suite(name) for name in sorted(dropattack.registered())})
