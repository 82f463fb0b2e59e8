"""Every registered method keeps the contract that `dropattack.testing` asks of a user's own."""

import dropattack
from dropattack.testing import MethodContract
from tests.dropattack.toys import HYPERPARAMETERS

MORE = {
    "apb": [{}],
    "dropattack": [{}],
    "dropout": [{}],
    "standard": [{"rounds": 3}],
}
"""Further hyperparameters to try a method with."""


def suite(name):
    values = [HYPERPARAMETERS.get(name, {}), *MORE.get(name, [])]
    return type(name, (MethodContract,), {"method": name, "hyperparameters": values})


globals().update({f"Test_{name}": suite(name) for name in sorted(dropattack.registered())})
