"""A real MLflow server, which also keeps the files: a sweep is shown there, and its models are registered."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
import torch
from mlflow import MlflowClient
from rich.console import Console

from search.records.store import Store
from search.results.registering import register
from search.service import run_sweep
from tests.patience import watched
from tests.search import trained
from trainables.saved import load_model
from trainables.workloads import workload_named


def _answers(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/health", timeout=1).ok
    except requests.RequestException:
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a server on loopback; its files lie where clients cannot see them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "server"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "files")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    uri = f"http://127.0.0.1:{port}"
    try:
        assert watched(process, folder, until=lambda: _answers(uri)) is None, (folder / "log").read_text()
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_models_that_are_registered_at_a_server_load_from_there(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their aliases, with MLflow's own call, which gets the files from the server alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    engine = trained.run(definition, store)
    outcome = run_sweep(definition, store, tmp_path, Console(quiet=True), server)
    assert outcome.warning == ""
    lines = register(store, definition.name, tmp_path, server, "digits")
    assert [line.partition(" ")[0] for line in lines] == ["models:/digits@winner", "models:/digits@baseline"]
    client = MlflowClient(server)
    inputs, _ = next(iter(workload_named("digits-lenet5").load(tmp_path).test.batches(5)))
    for alias in ("winner", "baseline"):
        version = client.get_model_version_by_alias("digits", alias)
        assert version.source.startswith("mlflow-artifacts:/")
        (record,) = (r for r in engine.records if r.name in version.description.splitlines()[0])
        with torch.no_grad():
            expected = load_model(store.model(definition.name, record)).model(inputs).numpy()
        found = mlflow.pyfunc.load_model(f"models:/digits@{alias}")
        np.testing.assert_allclose(found.predict(inputs.numpy()), expected, rtol=1e-5, atol=1e-6)
    assert not (tmp_path / "runs" / "mlflow.db").exists()
