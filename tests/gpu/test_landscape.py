"""Landscapes and sharpness away from the CPU: the numbers of the CPU."""

import pytest
import torch
from torch import nn

from analysis.questions.landscape import Models, line
from analysis.questions.sharpness import sharpness
from tests.gpu.conftest import Away
from tests.gpu.trials import IMAGES, TEXTS, data, trial
from trainables.data.splits import Split
from trainables.recipe.precision import arithmetic


def trained(workload: str) -> tuple[nn.Module, Split]:
    torch.manual_seed(0)
    return trial(workload).architecture.build(data(workload)), data(workload).test


@pytest.mark.parametrize("workload", [IMAGES, TEXTS])
def test_losses_and_sharpness_are_those_of_the_cpu(workload: str, away: Away) -> None:
    model, split = trained(workload)
    here: Models = {"model": (model, model.state_dict())}
    steps = {"steps": 3, "reach": 0.5}
    expected, sharp = line(here, split, **steps), sharpness(here, split, iterations=3)
    with away() as device, arithmetic("float32"):
        moved = model.to(device)
        there: Models = {"model": (moved, moved.state_dict())}
        found, other = (
            line(there, split.to(device), **steps),
            sharpness(there, split.to(device), iterations=3),
        )
    for name in ("loss", "accuracy"):
        assert found[name].tolist() == pytest.approx(expected[name].tolist(), rel=1e-3)
    for name in sharp.columns.drop("label"):
        assert other[name].tolist() == pytest.approx(sharp[name].tolist(), rel=1e-2, abs=1e-6, nan_ok=True)
