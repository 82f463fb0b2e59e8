"""Two nodes that share no file system: their store and MLflow's artifacts lie in one bucket.

The services are those of ``docker/compose.yaml`` with ``docker/compose.s3.yaml`` laid over it; moto's server
stands for the one of the bucket. `make test-cluster` runs this; it takes some minutes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from mlflow import MlflowClient

from search.definition.sweepfile import parse_sweep
from search.records.mirrored import folder_of
from search.records.record import Record, State, same_result
from search.records.store import Store
from tests.docker.native import ROOT, NativeCompose, missing, short_folder
from trainables.training.loop import Training
from trainables.workloads import workload_named

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

BUCKET = "dropattack"
PLACE = f"s3://{BUCKET}/store"
EPOCHS = 4
SWEEP: dict[str, Any] = {
    "name": "apart",
    "workload": "digits-lenet5",
    "training": {"epochs": EPOCHS, "learning_rate": 0.003},
    "seeds": [0, 1],
    "stages": [{"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1.0]}}}],
}
TRIALS = 6


class Apart(NativeCompose):
    """A cluster of nodes that see each other's files as little as machines do, with a bucket."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "compose.s3.yaml")
        self.changing = root
        self.apart += [self.store, *(root / name for name in ("home", "cache", "ray", "worker"))]
        for folder in self.apart:
            folder.mkdir(exist_ok=True)
        self.answers["bucket"] = ["wget", "--quiet", "--output-document=-", f"{self.bucket}/moto-api/"]

    @property
    def bucket(self) -> str:
        """Address of the bucket's server."""
        return f"http://127.0.0.1:{self.port(9000)}"

    def start_bucket(self) -> None:
        """Starts a server with the one empty bucket, as the command of its container does."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port(9000))]
        self.spawn("bucket", command, os.environ)
        self.wait_until_healthy("bucket")
        self.s3().create_bucket(Bucket=BUCKET)

    def s3(self) -> Any:
        """Amazon's client for it."""
        return boto3.client(
            "s3",
            endpoint_url=self.bucket,
            region_name="us-east-1",
            aws_access_key_id="ann",
            aws_secret_access_key="secret",
        )

    def names(self, prefix: str) -> list[str]:
        """Names of the objects in the bucket that begin so."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def lose_nodes(self) -> None:
        """All nodes are gone at once, with what was on their disks; others take their places."""
        os.kill(_driver(), signal.SIGKILL)
        for service in ("worker", "head"):
            self.kill(service)
        for folder in (self.root / "cache", self.root / "ray", self.root / "worker"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self.start_head()
        self.start_worker()


def _driver() -> int:
    """The process of the job that runs the sweep."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[1:4] == ["-m", "search", "run"] and PLACE in words and "apart.yaml" in words:
            return int(path.parent.name)
    raise AssertionError("no job is running")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Apart]:
    """The running services."""
    services = Apart(short_folder())
    try:
        services.start_bucket()
        services.start()
        yield services
    finally:
        services.stop()
        shutil.rmtree(services.root, ignore_errors=True)


@pytest.fixture
def store(cluster: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache of somebody who looks at the store from yet another machine."""
    for name, value in {
        "AWS_ENDPOINT_URL": cluster.bucket,
        "AWS_REGION": "us-east-1",
        "AWS_SHARED_CREDENTIALS_FILE": str(cluster.secrets / "s3_credentials"),
        "DROPATTACK_CACHE": str(tmp_path / "cache"),
        "MLFLOW_TRACKING_USERNAME": "dropattack",
        "MLFLOW_TRACKING_PASSWORD": (cluster.secrets / "mlflow_password").read_text(),
    }.items():
        monkeypatch.setenv(name, value)
    return folder_of(PLACE)


def _submit(cluster: Apart, *more: str) -> str:
    """`dropattack submit` of the sweep from a user's machine; what it prints."""
    project = cluster.root / "project"
    if not project.exists():
        ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs", "data", "docs")
        shutil.copytree(ROOT, project, ignore=ignored, symlinks=True)
        (project / "apart.yaml").write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    command = [sys.executable, "-m", "search", "submit", "apart.yaml", "--address", cluster.jobs_api]
    environment = cluster.client_environment()
    done = subprocess.run(
        [*command, "--store", PLACE, *more],
        env=environment,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _records(store: Path) -> list[Record]:
    return Store(store).journal(parse_sweep(SWEEP)).records


def test_nodes_without_a_common_file_system_run_are_lost_and_others_go_on(
    cluster: Apart, store: Path, tmp_path: Path
) -> None:
    job = _submit(cluster, "--no-wait").split()[-1]
    cluster.wait("head", lambda: sum(len(record.epochs) for record in _records(store)) >= EPOCHS + 1)
    cluster.lose_nodes()
    before = {record.number: list(record.epochs) for record in _records(store)}
    assert any(not record.finished for record in _records(store)), "they were lost too late"
    assert f"submitted {job}" in _submit(cluster), "the new head knows of no job, and this is its first one"

    records = _records(store)
    assert [(record.state, len(record.epochs)) for record in records] == [(State.COMPLETE, EPOCHS)] * TRIALS
    for number, epochs in before.items():
        kept = next(record for record in records if record.number == number).epochs
        assert kept[: len(epochs)] == epochs, "a recorded result was lost or changed"
    interrupted = next(record for record in records if 0 < len(before.get(record.number, ())) < EPOCHS)
    alone = Training(interrupted.trial, workload_named("digits-lenet5").load(tmp_path))
    assert all(same_result(epoch, alone.epoch()) for epoch in interrupted.epochs), "it did not go on exactly"

    models = {name.rpartition("/")[2] for name in cluster.names("store/sweeps/apart/models/")}
    assert models == {f"{record.key}.pt" for record in records}
    assert cluster.names("store/sweeps/apart/checkpoints/") == []
    assert list(cluster.store.iterdir()) == [], "nothing is in a folder of the store's name"

    client = MlflowClient(cluster.mlflow)
    experiment = client.get_experiment_by_name("apart")
    assert experiment is not None
    assert experiment.artifact_location.startswith("mlflow-artifacts:/")
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if run.data.tags["dropattack.kind"] == "trial"]
    assert Counter(run.data.tags["dropattack.key"] for run in trials) == Counter(r.key for r in records)
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in trials:
        record = next(r for r in records if r.key == run.data.tags["dropattack.key"])
        shown = sorted(client.get_metric_history(run.info.run_id, "valid_accuracy"), key=lambda m: m.step)
        assert [metric.value for metric in shown] == [epoch["valid_accuracy"] for epoch in record.epochs]
    kept_there = cluster.names("mlflow/")
    assert any(name.endswith("report.html") for name in kept_there)
    (parent,) = [run for run in runs if run.data.tags["dropattack.kind"] == "sweep"]
    report = Path(client.download_artifacts(parent.info.run_id, "report.html", str(tmp_path)))
    assert report.read_bytes() == Store(store).report("apart").read_bytes()
    assert list((cluster.root / "artifacts").iterdir()) == []


def test_the_bucket_s_keys_are_in_no_object_and_no_log(cluster: Apart) -> None:
    names = ("s3_user", "s3_password", "ray_token", "mlflow_password", "postgres_password")
    secrets = {name: (cluster.secrets / name).read_bytes() for name in names}
    s3 = cluster.s3()
    held = {name: s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in cluster.names("")}
    assert len(held) > TRIALS
    others = (path for path in cluster.root.glob("*.log") if path.stem != "bucket")
    logs = {str(path): path.read_bytes() for path in others}  # the bucket's own names who asks, not how
    logs |= {"password at the bucket": cluster.log("bucket").encode().replace(secrets["s3_user"], b"")}
    found = [(name, at) for at, text in (held | logs).items() for name, s in secrets.items() if s in text]
    assert found == [], json.dumps(found)
