"""Batches that fit a device, told by a device that is full beyond some size."""

import pytest
import torch
from torch import nn

from trainables.recipe.fitting import BATCH, ON_A_GPU, SMALLEST, evaluating, in_batches

GPU, CPU = torch.device("cuda"), torch.device("cpu")


class Full:
    """An evaluation that fits up to a size."""

    def __init__(self, fits: int, error: Exception | None = None) -> None:
        self.fits, self.error, self.tried = fits, error, list[int]()

    def __call__(self, size: int) -> str:
        self.tried.append(size)
        if size > self.fits:
            raise self.error or torch.OutOfMemoryError("CUDA out of memory")
        return f"in batches of {size}"


@pytest.mark.parametrize("fits", [ON_A_GPU, 999, 250, 200, 40])
def test_batches_are_halved_until_they_fit(fits: int) -> None:
    full = Full(fits)
    found = in_batches(full, GPU)
    assert full.tried[0] == ON_A_GPU
    assert found == f"in batches of {full.tried[-1]}"
    assert fits / 2 < full.tried[-1] <= fits


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("CUDA error: out of memory")])
def test_what_never_fits_is_out_of_memory(error: Exception) -> None:
    full = Full(0, error)
    with pytest.raises(type(error)):
        in_batches(full, GPU)
    assert SMALLEST <= full.tried[-1] < 2 * SMALLEST


@pytest.mark.parametrize("device", [GPU, CPU])
def test_another_error_is_not_tried_again(device: torch.device) -> None:
    full = Full(0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(full, device)
    assert len(full.tried) == 1


def test_a_cpu_has_its_own_size() -> None:
    assert in_batches(Full(BATCH), CPU) == f"in batches of {BATCH}"


@pytest.mark.parametrize("training", [True, False])
def test_a_models_mode_is_restored_where_an_evaluation_fails(training: bool) -> None:
    model = nn.Linear(1, 1).train(training)

    def fail() -> None:
        with evaluating(model):
            assert not model.training
            assert not model(torch.ones(1)).requires_grad
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert model.training is training
    assert model(torch.ones(1)).requires_grad
