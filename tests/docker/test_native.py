"""A two-node Ray cluster with token authentication and MLflow on Postgres, as the compose file starts them.

`make test-cluster` runs this; it takes some minutes.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from search.definition.select import Select
from search.records.journal import Journal
from search.records.record import Record, State, same_result
from tests.docker.native import ROOT, NativeCompose, missing, short_folder
from tests.patience import watched

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

SWEEP = {
    "name": "submitted",
    "workload": "digits-lenet5",
    "training": {"epochs": 3, "learning_rate": 0.003},
    "seeds": [0, 1],
    "stages": [
        {"name": "baseline", "methods": {"standard": {}}},
        {
            "name": "search",
            "search": {"kind": "optuna", "trials": 6},
            "scheduler": {"kind": "asha", "grace_period": 1},
            "methods": {"dropattack": {"epsilon": {"low": 0.1, "high": 5}, "p": [0.3, 0.7]}},
        },
    ],
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[NativeCompose]:
    """The running services."""
    services = NativeCompose(short_folder())
    try:
        services.start()
        yield services
    finally:
        services.stop()
        shutil.rmtree(services.root, ignore_errors=True)


@pytest.fixture(scope="module")
def project(cluster: NativeCompose) -> Path:
    """A user's copy of this project, with a sweep of theirs."""
    folder = cluster.root / "project"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "data")
    shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    return folder


def _client(
    cluster: NativeCompose, project: Path, *command: str, **environment: str
) -> tuple[int | None, str]:
    """Exit status of a command at the user's machine, and what it prints."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            env=cluster.client_environment() | environment,
            cwd=project,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        status = watched(process, cluster.store)
        output.seek(0)
        return status, output.read()


def _submit(cluster: NativeCompose, project: Path, *more: str, **environment: str) -> tuple[int | None, str]:
    """`dropattack submit` of the user's sweep."""
    command = ("python", "-m", "search", "submit", "mine.yaml", "--address", cluster.jobs_api, *more)
    return _client(cluster, project, *command, **environment)


def _records(store: Path, sweep: str = "submitted") -> list[Record]:
    return Journal(store / "sweeps" / sweep / "journal.log", Select(), writable=False).records


def _driver(store: Path) -> int:
    """The process of the job that runs the sweep."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[1:4] == ["-m", "search", "run"] and str(store) in words:
            return int(path.parent.name)
    raise AssertionError("no job is running")


def _wait_for_epochs(cluster: NativeCompose, count: int, sweep: str = "submitted") -> None:
    cluster.wait(
        "head", lambda: sum(len(record.epochs) for record in _records(cluster.store, sweep)) >= count
    )


def _shown(cluster: NativeCompose, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The trials that MLflow shows to the user who knows the password."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "dropattack")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", (cluster.secrets / "mlflow_password").read_text())
    client = MlflowClient(cluster.mlflow)
    experiment = client.get_experiment_by_name("submitted")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return [run for run in runs if run.data.tags["dropattack.kind"] == "trial"]


def test_neither_jobs_nor_mlflow_are_open_to_those_without_token_or_password(
    cluster: NativeCompose, project: Path
) -> None:
    for url in (
        f"{cluster.jobs_api}/api/jobs/",
        f"{cluster.mlflow}/api/2.0/mlflow/experiments/get?experiment_id=0",
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url)
        assert refused.value.code == 401
    status, said = _submit(cluster, project, RAY_AUTH_MODE="disabled")
    assert status == 2
    assert said.count("\n") == 1
    assert "did not accept the token" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--store", "{local}"], "does not see the store"),
        (["--store", "{store}", "--data", "{local}", "--set", "workload=mnist-lenet5"], "lacks data"),
        (["--store", "{store}", "--set", "resources.cpus=64"], "a trial needs 64 CPUs"),
    ],
)
def test_what_the_cluster_lacks_is_said_in_one_line_before_anything_starts(
    cluster: NativeCompose, project: Path, data_root: Path, options: list[str], message: str
) -> None:
    shutil.copytree(data_root / "MNIST", cluster.local / "MNIST", dirs_exist_ok=True)
    given = [option.format(store=cluster.store, local=cluster.local) for option in options]
    status, said = _submit(cluster, project, *given)
    assert status == 2, said
    assert len([line for line in said.splitlines() if message in line]) == 1
    assert not (cluster.store / "sweeps" / "submitted" / "journal.log").exists()


def test_a_job_of_another_python_is_refused(cluster: NativeCompose, project: Path) -> None:
    environment = json.dumps({"env_vars": {"DROPATTACK_CLIENT_PYTHON": "3.9"}})
    command = ["ray", "job", "submit", "--address", cluster.jobs_api, "--working-dir", "."]
    command += ["--runtime-env-json", environment, "--", "python", "-m", "search", "run", "mine.yaml"]
    status, said = _client(cluster, project, *command, "--store", str(cluster.store))
    assert status != 0
    assert "the client has Python 3.9" in said


def test_a_job_killed_and_submitted_again_is_finished_with_nothing_lost_or_done_twice(
    cluster: NativeCompose, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--store", str(cluster.store)]
    status, said = _submit(cluster, project, *options, "--no-wait")
    assert status == 0, said
    job = said.split()[-1]
    _wait_for_epochs(cluster, 5)
    assert _submit(cluster, project, *options, "--no-wait") == (0, f"already running: {job}\n")
    status, said = _submit(cluster, project, *options, "--set", "seeds=[0, 1, 2]")
    assert (status, "other options" in said) == (2, True)
    os.kill(_driver(cluster.store), signal.SIGKILL)
    before = {record.number: list(record.epochs) for record in _records(cluster.store)}

    said = f"already running: {job}\n"

    def submitted_anew() -> bool:
        nonlocal said
        said = _submit(cluster, project, *options, "--no-wait")[1]
        return said != f"already running: {job}\n"

    cluster.wait("head", submitted_anew)
    assert said.splitlines()[-1].startswith("submitted "), said
    status, said = _submit(cluster, project, *options)
    assert status == 0, said

    records = _records(cluster.store)
    assert len(records) == 8
    assert {record.state for record in records} <= {State.COMPLETE, State.PRUNED}
    for number, epochs in before.items():
        kept = next(record for record in records if record.number == number).epochs
        assert kept[: len(epochs)] == epochs, "a recorded result was lost or changed"
    trained = {record.key: record for record in records if not record.reused_from}
    shown = _shown(cluster, monkeypatch)
    assert Counter(run.data.tags["dropattack.key"] for run in shown) == Counter(trained.keys())
    client = MlflowClient(cluster.mlflow)
    for run in shown:
        record = trained[run.data.tags["dropattack.key"]]
        assert run.info.status == {State.COMPLETE: "FINISHED", State.PRUNED: "KILLED"}[record.state]
        history = client.get_metric_history(run.info.run_id, "valid_accuracy")
        assert [m.value for m in sorted(history, key=lambda m: m.step)] == [
            metrics["valid_accuracy"] for metrics in record.epochs
        ]

    again = ["ray", "job", "submit", "--address", cluster.jobs_api, "--working-dir", "."]
    again += ["--", "python", "-m", "search", "run", "mine.yaml", "--store", str(cluster.store)]
    status, said = _client(cluster, project, *again)
    assert status == 0, said
    assert all(
        same_result(one, other)
        for record, now in zip(records, _records(cluster.store), strict=True)
        for one, other in zip(record.epochs, now.epochs, strict=True)
    )


def test_a_node_that_dies_takes_no_trial_with_it(cluster: NativeCompose, project: Path) -> None:
    """The only node that trains is killed and comes back: the same job ends as if it had not been."""
    grid = {"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 0.3, 1.0]}}}
    sweep = SWEEP | {"name": "node", "seeds": [10, 11], "stages": [grid]}
    sweep["training"] = {"epochs": 5, "learning_rate": 0.003}
    (project / "node.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
    command = ["python", "-m", "search", "submit", "node.yaml", "--address", cluster.jobs_api, "--no-wait"]
    status, said = _client(cluster, project, *command, "--store", str(cluster.store))
    assert status == 0, said
    _wait_for_epochs(cluster, 3, "node")
    cluster.kill("worker")
    before = {record.number: list(record.epochs) for record in _records(cluster.store, "node")}
    assert any(not record.finished for record in _records(cluster.store, "node")), "it was killed too late"
    cluster.start_worker()
    _wait_for_epochs(cluster, 6 * 5, "node")
    records = _records(cluster.store, "node")
    assert [len(record.epochs) for record in records] == [5] * 6
    for number, epochs in before.items():
        kept = next(record for record in records if record.number == number).epochs
        assert kept[: len(epochs)] == epochs


def test_no_secret_is_in_the_store_the_logs_the_upload_or_mlflow(
    cluster: NativeCompose, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("ray_token", "mlflow_password", "postgres_password", "mlflow_session_key")
    secrets = [(cluster.secrets / name).read_bytes() for name in names]
    private = (cluster.secrets, cluster.root / "home" / ".mlflow", cluster.root / "postgres")
    files = [path for path in cluster.root.rglob("*") if path.is_file() and not path.is_symlink()]
    looked_at = [path for path in files if not any(path.is_relative_to(folder) for folder in private)]
    assert len(looked_at) > 100
    for path in looked_at:
        content = path.read_bytes()
        assert not [name for name, s in zip(names, secrets, strict=True) if s in content], path
    for run in _shown(cluster, monkeypatch):
        text = json.dumps(run.to_dictionary())
        assert not [name for name, s in zip(names, secrets, strict=True) if s.decode() in text]
