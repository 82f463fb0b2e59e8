"""What a machine has beside what a sweep asks for."""

import pytest
import torch

from search.definition.sweep import Resources
from search.engine.nodes import remarks_on_gpus, too_much


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU in name."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")


@pytest.mark.usefixtures("gpu")
def test_a_gpu_that_is_left_idle_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = remarks_on_gpus(Resources())
    assert "NVIDIA H200" in line
    assert "--set resources.gpus=auto" in line
    assert remarks_on_gpus(Resources(gpus=0.5)) == []
    assert remarks_on_gpus(Resources(gpus="auto")) == []
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert remarks_on_gpus(Resources()) == [], "what a cluster has is not known here"


def test_without_one_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert remarks_on_gpus(Resources()) == []


@pytest.mark.parametrize(
    ("resources", "node", "advice"),
    [
        (Resources(gpus=1), {"CPU": 8}, "--set resources.gpus=0 trains on CPUs"),
        (Resources(gpus=2), {"CPU": 8, "GPU": 1}, "lower `resources`"),
        (Resources(cpus=9), {"CPU": 8}, "lower `resources`"),
    ],
    ids=["no GPU", "fewer GPUs", "fewer CPUs"],
)
def test_what_no_node_has_is_said_with_what_to_set(
    resources: Resources, node: dict[str, float], advice: str
) -> None:
    assert too_much(resources, [node]).endswith(f"; {advice}")
