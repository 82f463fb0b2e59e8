"""Fixtures that every room's tests share."""

from pathlib import Path

import pytest

DATA_ROOT = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def data_root() -> Path:
    """The folder of real datasets; the test is skipped where there is none."""
    if not DATA_ROOT.is_dir():
        pytest.skip("no real datasets in ../shared/data")
    return DATA_ROOT


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps encoded data of tests out of the user's cache, and shared between tests of one process."""
    monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _no_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps a tracking server of the machine, or of another test, out of sweeps."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
