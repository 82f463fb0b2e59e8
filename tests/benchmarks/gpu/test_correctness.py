"""What the GPU's benchmark calls right, on a device that is not there."""

import pytest
import torch

import dropattack
from benchmarks.gpu import correctness
from benchmarks.gpu.jobs import EQUAL, STEP, Job
from tests.pretended import AWAY, pretended


@pytest.mark.parametrize("table", ["grid", "table10"])
@pytest.mark.parametrize("method", sorted(dropattack.registered()))
def test_every_step_is_right_and_mixes_no_devices(method: str, table: str) -> None:
    with pretended() as watch:
        found = correctness.step(Job(STEP, table, method, device=AWAY.type, quick=True))
    assert not watch.faults
    assert found["right"], found
    assert found["error"] < found["bound"] / 10
    assert found["repeats"], "a generator with one seed gives one step"


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("dropattack", {"p": 0.99}),
        ("rwp", {"sigma": 1e-3}),
        ("fgm", {"epsilon": 1.001}),
        ("l2", {"strength": 0}),
    ],
)
def test_a_device_that_computes_another_step_is_not_right(
    method: str, values: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = correctness._change

    def other(name, model, data, names, given, device, dtype):  # type: ignore[no-untyped-def]
        more = values if dtype == torch.float32 else {}
        return change(name, model, data, names, {**given, **more}, device, dtype)

    monkeypatch.setattr(correctness, "_change", other)
    found = correctness.step(Job(STEP, "grid", method, device="cpu", quick=True))
    assert not found["right"], found


def test_lanes_are_beside_their_trials() -> None:
    found = correctness.equal(Job(EQUAL, "grid", at_once=3, device="cpu", quick=True))
    assert 0 <= found["error"] < 1e-4
