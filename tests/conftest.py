"""Fixtures that every room's tests share."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from tests.databases import copy_from_now_on

DATA_ROOT = Path(__file__).parents[2] / "shared" / "data"
OF_THE_MACHINE = (
    "DROPATTACK_DATA",
    "DROPATTACK_STORE",
    "MLFLOW_TRACKING_URI",
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
)


hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Saves the time that MLflow takes to make a database."""
    copy_from_now_on()


@pytest.fixture
def data_root() -> Path:
    """The folder of real datasets; the test is skipped where there is none."""
    if not DATA_ROOT.is_dir():
        pytest.skip("no real datasets in ../shared/data")
    return DATA_ROOT


@pytest.fixture(autouse=True, scope="session")
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps encoded data of tests out of the user's cache, and shared between tests of one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPATTACK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tiny models run faster on one thread, and parallel test processes do not crowd each other out."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps stores, clusters and tracking servers of the machine, or of another test, out of sweeps."""
    for name in OF_THE_MACHINE:
        monkeypatch.delenv(name, raising=False)
