"""A store can be moved, copied and called anything: MLflow's files are in it, and are found."""

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache
from rich.console import Console
from typer.testing import CliRunner

from analysis.records import from_mlflow
from dropattack import UsageError
from search.cli import app
from search.records.store import Store
from search.results.reporting import best_record, report_sweep
from search.service import run_sweep
from search.tracking.database import make_ready
from search.tracking.settled import is_settled
from tests.search import trained
from trainables.saved import load_model

NAMES = [
    "a b",
    "od?d",
    "sharp#",
    "%41",
    "100%",
    "%3F?#",
    "c:d",
    "ünïcode",
    "quo'te\"d",
    "a&b=c;d",
    "back\\slash",
    "+plus",
    "[b]{c}~$HOME",
    "?uri=true",
    "*",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with a finished sweep, made once."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        store = Store(folder / "runs")
        trained.run(trained.sweep(), store)
        run(store)
        yield store.root


@pytest.fixture
def root(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that never was elsewhere, as far as MLflow's database says."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path(shutil.copytree(finished, tmp_path / "runs")))
    make_ready(store)
    return store.root


def run(store: Store) -> None:
    outcome = run_sweep(trained.sweep(), store, store.root, Console(quiet=True))
    assert outcome.warning == ""
    assert outcome.report == store.report("attacked")


def locations(root: Path) -> set[str]:
    """Everything that MLflow's database says of where files are."""
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        experiments = database.execute("SELECT artifact_location FROM experiments WHERE name = 'attacked'")
        runs = database.execute("SELECT artifact_uri FROM runs")
        return {str(place) for (place,) in [*experiments, *runs]}


def check(store: Store) -> None:
    """Fails unless MLflow's files are in the store, and the API finds each of them."""
    artifacts = store.artifacts.resolve()
    assert all(place.startswith(artifacts.as_uri()) for place in locations(store.root))
    _artifact_repos_cache.clear()  # where a run's files were when this process met it last
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name("attacked")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (r for r in runs if r.data.tags["dropattack.kind"] == "sweep")
    assert {a.path for a in client.list_artifacts(parent.info.run_id)} == {"sweep.json", "report.html"}
    told = Path(download_artifacts(f"{parent.info.artifact_uri}/sweep.json"))
    assert told.is_relative_to(artifacts)
    assert json.loads(told.read_text())["name"] == "attacked"
    best = best_record(trained.sweep(), store.journal(trained.sweep()).records)
    assert best is not None
    (winner,) = (r for r in runs if r.data.tags.get("dropattack.key") == best.key)
    model = Path(download_artifacts(f"{winner.info.artifact_uri}/model/data/saved/{best.key}.pt"))
    assert model.is_relative_to(artifacts)
    assert load_model(model).trial.key == best.key
    assert from_mlflow(store.tracking_uri, "attacked").sweep["seeds"] == [0, 1]


def test_a_store_that_was_moved_is_used_where_it_is(tmp_path: Path, root: Path) -> None:
    (tmp_path / "new").mkdir()
    moved = Store(root.rename(tmp_path / "new" / "place"))
    shutil.rmtree(moved.artifacts)
    moved.report("attacked").unlink()
    run(moved)
    check(moved)
    assert not root.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"new"}


def test_a_store_that_was_moved_is_not_settled_until_mlflow_knows(tmp_path: Path, root: Path) -> None:
    run(Store(root))
    assert is_settled(Store(root), "attacked")
    moved = Store(root.rename(tmp_path / "moved"))
    assert not is_settled(moved, "attacked")
    run(moved)
    assert is_settled(moved, "attacked")
    check(moved)


def test_a_copy_and_its_original_keep_to_themselves(tmp_path: Path, root: Path) -> None:
    before = locations(root)
    copy = Store(Path(shutil.copytree(root, tmp_path / "copy")))
    shutil.rmtree(copy.artifacts)
    content = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    run(copy)
    check(copy)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == content
    assert locations(root) == before


def test_a_report_of_a_moved_store_links_to_the_runs_it_had(tmp_path: Path, root: Path) -> None:
    def links(report: Path) -> set[str]:
        return set(re.findall(r"http://[^\"]*/runs/\w+", report.read_text(encoding="utf-8")))

    before = links(report_sweep("attacked", Store(root)))
    assert before
    moved = Store(root.rename(tmp_path / "moved"))
    report = report_sweep("attacked", moved)
    assert report.is_relative_to(moved.root)
    assert links(report) == before
    check(moved)


def test_mlflows_interface_finds_the_files_of_a_store_that_was_moved(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it has been run there."""
    moved = Store(root.rename(tmp_path / "mo?ved"))
    started: list[list[str]] = []

    def call(command: list[str], **_: object) -> int:
        started.append(command)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    result = CliRunner().invoke(app, ["ui", "--store", str(moved.root)])
    assert result.exit_code == 0
    assert "port 5000 has no login: every user of this machine can" in result.stderr
    assert started[0][started[0].index("--host") + 1] == "127.0.0.1"
    assert started[0][-2:] == ["--backend-store-uri", moved.tracking_uri]
    check(moved)


def test_mlflows_interface_is_not_opened_on_a_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database")
    (tmp_path / "sweeps").mkdir()
    result = CliRunner().invoke(app, ["ui", "--store", str(tmp_path)])
    assert result.exit_code == 2
    assert "mlflow.db is damaged (file is not a database); move it away" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_is_not_the_stores_keeps_its_place(tmp_path: Path, root: Path) -> None:
    """Experiments that people made in the same database, with files of their own."""
    client = MlflowClient(Store(root).tracking_uri)
    places = [(tmp_path / "mine").as_uri(), "s3://bucket/artifacts", f"{root.as_uri()}x/artifacts"]
    for number, place in enumerate(places):
        client.create_run(client.create_experiment(f"mine-{number}", place))
    moved = Store(root.rename(tmp_path / "moved"))
    make_ready(moved)
    client = MlflowClient(moved.tracking_uri)
    found = [client.get_experiment_by_name(f"mine-{number}") for number in range(len(places))]
    assert [experiment.artifact_location for experiment in found if experiment is not None] == places


@pytest.mark.parametrize("name", NAMES)
def test_a_store_may_be_called_anything(tmp_path: Path, root: Path, name: str) -> None:
    store = Store(root.rename(tmp_path / name))
    shutil.rmtree(store.artifacts)
    run(store)
    check(store)
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is beside it"


@pytest.mark.parametrize("name", ["od?d", "%41 #", "?uri=true"])
def test_a_database_begins_inside_a_store_of_any_name(tmp_path: Path, root: Path, name: str) -> None:
    store = Store(root.rename(tmp_path / name))
    (store.root / "mlflow.db").unlink()
    run(store)
    check(store)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_database_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(UsageError, match=r"but a folder; move it away"):
        make_ready(Store(tmp_path))


def test_a_store_without_a_database_and_a_database_without_tables_are_left_as_they_are(
    tmp_path: Path,
) -> None:
    make_ready(Store(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mlflow.db").touch()
    make_ready(Store(tmp_path))
    assert (tmp_path / "mlflow.db").read_bytes() == b""
