"""Every registered method keeps the contract of methods away from the CPU, with its first hyperparameters."""

from collections.abc import Iterator

import pytest
import torch

import dropattack
from dropattack.testing import MethodContract
from dropattack.testing.methods.models import Layered
from tests.dropattack.test_contract import IDLE
from tests.dropattack.toys import HYPERPARAMETERS
from tests.pretended import AWAY, pretended


@pytest.mark.gpu
class OnAGpu(MethodContract):
    device = "cuda"

    @pytest.fixture(autouse=True)
    def _there_is_one(self, gpu: torch.device) -> None:
        """Skips where there is none."""


class Pretended(MethodContract):
    """Without what the pretended tensors cannot do: change their type in place, be saved, be strided."""

    device = AWAY.type
    models = (Layered,)
    test_mixed_precision = None
    test_an_autocast_context_counts_as_the_tasks = None
    test_state_round_trips = None
    test_gradients_lie_in_memory_as_their_parameters_do = None

    @pytest.fixture(autouse=True)
    def _without_mixtures(self) -> Iterator[None]:
        with pretended() as watch:
            yield
        assert not watch.faults


def suite(name: str, kind: type[MethodContract]) -> type[MethodContract]:
    idle, multiple = IDLE.get(name, (None, 1))
    values = [HYPERPARAMETERS.get(name, {})]
    declared = {"method": name, "hyperparameters": values, "idle": idle, "multiple": multiple}
    return type(f"{name}_{kind.__name__}", (kind,), declared)


for _name in sorted(dropattack.registered()):
    for _kind in (OnAGpu, Pretended):
        globals()[f"Test_{_name}_{_kind.__name__}"] = suite(_name, _kind)
