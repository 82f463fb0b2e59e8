"""What the GPU's benchmark calls right. What it says of every method is in tests/gpu."""

import pytest
import torch

from benchmarks.gpu import correctness
from benchmarks.gpu.jobs import EQUAL, STEP, Job
from dropattack import registered


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


@pytest.mark.parametrize("method", sorted(registered()))
def test_the_compared_steps_draw_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices draw other numbers from one seed, as two seeds do on one device."""

    def error(seed: int) -> float:
        monkeypatch.setattr(correctness, "SEED", seed)
        found: float = correctness.step(Job(STEP, "grid", method, device="cpu", quick=True))["error"]
        return found

    assert error(1) == error(2) < correctness.STEP_BOUND


def test_lanes_are_beside_their_trials() -> None:
    found = correctness.equal(Job(EQUAL, "grid", at_once=3, device="cpu", quick=True))
    assert 0 <= found["error"] < 1e-4
