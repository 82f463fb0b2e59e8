"""Each method's step in float32 on a GPU, beside float64 on the CPU."""

import pytest
import torch

import dropattack
from benchmarks.gpu import correctness
from benchmarks.gpu.jobs import EQUAL, STEP, Job
from tests.gpu.conftest import Away
from tests.pretended import AWAY

METHODS = sorted(dropattack.registered())


@pytest.mark.parametrize("method", METHODS)
def test_a_step_on_images_keeps_its_bound(method: str, away: Away) -> None:
    with away() as device:
        found = correctness.step(Job(STEP, "grid", method, device=device.type, quick=device == AWAY))
    assert found["right"], found
    assert found["repeats"] or device.type == "cuda", "a generator with one seed gives one step"


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_step_on_texts_keeps_its_bound(method: str, gpu: torch.device) -> None:
    found = correctness.step(Job(STEP, "table10", method, device=gpu.type))
    assert found["right"], found


@pytest.mark.gpu
@pytest.mark.parametrize("table", ["grid", "table10"])
def test_lanes_keep_their_bound(table: str, gpu: torch.device) -> None:
    found = correctness.equal(Job(EQUAL, table, at_once=5, device=gpu.type, quick=True))
    assert found["right"], found
