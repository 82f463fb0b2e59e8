"""Devices that are not the CPU: a GPU, where there is one, and the pretended one, which always is."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch

from tests.pretended import AWAY, pretended

# cuBLAS repeats its sums bit for bit only with a workspace of its own; read when CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

Away = Callable[[], AbstractContextManager[torch.device]]
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)
"""For tests of numbers that only a real device can get wrong."""
BOTH = [CUDA, "pretended"]


@contextmanager
def _without_mixtures() -> Iterator[torch.device]:
    with pretended() as watch:
        yield AWAY
    assert not watch.faults


@contextmanager
def _the_gpu() -> Iterator[torch.device]:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    strict, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield torch.device("cuda")
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.backends.cudnn.benchmark = benchmark


@pytest.fixture(params=BOTH)
def away(request: pytest.FixtureRequest) -> Away:
    """A time with a device; on the pretended one nothing of the CPU may be mixed in."""
    return _the_gpu if request.param == "cuda" else _without_mixtures


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    """A GPU; the test is skipped where there is none."""
    with _the_gpu() as device:
        yield device
