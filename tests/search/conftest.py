"""Fixtures of this room's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from click.testing import Result
from typer.testing import CliRunner

from search.cli import app
from search.execution import preflight, tuning
from tests.search.simulation import simulated


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Ray in this process with two CPUs and, in name, a GPU: started once, for tests that leave it alive."""
    ray.init(
        "local",
        num_cpus=2,
        num_gpus=1,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200 * 2**20,
    )
    yield
    ray.shutdown()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in this process, called in a folder that is the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of sweeps start no Ray, and a made-up trainer trains."""
    monkeypatch.setattr(tuning, "connect", lambda verbose: None)
    monkeypatch.setattr(preflight, "check_cluster", lambda *_: None)
    monkeypatch.setattr(tuning, "run", simulated)
