"""A sweep is settled until anything changes that MLflow or the report shows of it, by whomever."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from search.records.store import Store
from search.tracking.settled import is_settled, note_settled
from tests.search.tracking.simulated import named, run_simulated, shown_by

FILES = ("journal.log", "robustness.json", "report/report.html")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose MLflow shows two sweeps, made once."""
    folder = tmp_path_factory.mktemp("shown")
    for name in ("small", "other"):
        own = folder / "sweeps" / name
        own.mkdir(parents=True)
        (own / "report").mkdir()
        for file in FILES:
            (own / file).touch()
        (own / "journal.log").unlink()
        assert (
            run_simulated(own, named(name), Store(folder).tracking_uri, artifacts=folder / "artifacts") == ""
        )
    return folder


@pytest.fixture
def store(tmp_path: Path, shown: Path) -> Store:
    return Store(Path(shutil.copytree(shown, tmp_path / "runs")))


def runs(store: Store, name: str) -> list[Run]:
    return shown_by(store.tracking_uri, name)


def file_of(store: Store, name: str) -> Path:
    """A file of the sweep: its definition among MLflow's files."""
    (parent,) = (run for run in runs(store, name) if run.data.tags["dropattack.kind"] == "sweep")
    return store.artifacts / str(parent.info.run_id) / "artifacts" / "sweep.json"


def grow(path: Path) -> None:
    path.write_text("more text", encoding="utf-8")


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_a_sweep_is_settled_once_that_is_noted(store: Store) -> None:
    assert not is_settled(store, "small")
    note_settled(store, "small")
    assert is_settled(store, "small")
    assert not is_settled(store, "other")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [grow, touch, Path.unlink])
def test_any_change_of_its_files_unsettles_it(
    store: Store, name: str, change: Callable[[Path], None]
) -> None:
    note_settled(store, "small")
    change(store.folder("small") / name)
    assert not is_settled(store, "small")


@pytest.mark.parametrize("change", [grow, touch, Path.unlink])
def test_so_does_a_change_of_its_files_in_mlflow(store: Store, change: Callable[[Path], None]) -> None:
    file = file_of(store, "small")
    note_settled(store, "small")
    change(file)
    assert not is_settled(store, "small")


def test_so_do_new_files_there_and_the_loss_of_all(store: Store) -> None:
    note_settled(store, "small")
    new = file_of(store, "small").with_name("new")
    new.touch()
    assert not is_settled(store, "small")
    new.unlink()
    assert is_settled(store, "small")
    shutil.rmtree(store.artifacts)
    assert not is_settled(store, "small")


def on_run(act: Callable[[MlflowClient, str], object]) -> Callable[[Store, str], object]:
    """What someone does to a run of a sweep in MLflow."""
    return lambda store, name: act(
        MlflowClient(store.tracking_uri),
        next(run.info.run_id for run in runs(store, name) if "dropattack.key" in run.data.tags),
    )


def delete_experiment(store: Store, name: str) -> None:
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)


IN_MLFLOW = [
    on_run(lambda client, run: client.delete_run(run)),
    on_run(lambda client, run: client.set_tag(run, "dropattack.key", "mine")),
    on_run(lambda client, run: client.delete_tag(run, "dropattack.trial")),
    on_run(lambda client, run: client.log_metric(run, "valid_accuracy", 0.999, step=3)),
    on_run(lambda client, run: client.log_param(run, "mine", 1)),
    on_run(lambda client, run: client.update_run(run, "RUNNING")),
    on_run(lambda client, run: client.create_run(client.get_run(run).info.experiment_id)),
    delete_experiment,
]


@pytest.mark.parametrize("act", IN_MLFLOW)
def test_what_people_do_in_mlflow_unsettles_the_sweep_and_no_other(
    store: Store, act: Callable[[Store, str], object]
) -> None:
    note_settled(store, "small")
    note_settled(store, "other")
    act(store, "small")
    assert not is_settled(store, "small")
    assert is_settled(store, "other")


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_without_a_database_nothing_is_settled(store: Store, content: bytes | None) -> None:
    note_settled(store, "small")
    path = store.root / "mlflow.db"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert not is_settled(store, "small")
    note_settled(store, "small")
    assert not is_settled(store, "small")
    assert path.exists() == (content is not None), "looking makes none"


def test_another_run_of_another_sweep_does_not_unsettle_it(store: Store) -> None:
    note_settled(store, "small")
    (store.folder("other") / "journal.log").unlink()
    assert (
        run_simulated(
            store.folder("other"), named("other"), store.tracking_uri, artifacts=store.root / "artifacts"
        )
        == ""
    )
    assert is_settled(store, "small")


def test_a_store_that_was_moved_is_not_settled(store: Store) -> None:
    note_settled(store, "small")
    moved = Store(store.root.rename(store.root.with_name("moved")))
    assert not is_settled(moved, "small")
