"""What all tests of MLflow's picture share."""

import pytest

import search.tracking.projection
from search.tracking.whole import WholeRuns


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database made once, since making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.tracking.projection, "_INTERVAL_SECONDS", 0.01)


@pytest.fixture(params=["at-once", "by-requests"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How new runs are written: at once, or as on a server, by requests."""
    if request.param == "by-requests":
        monkeypatch.setattr(WholeRuns, "write", lambda *_: None)
    return str(request.param)
