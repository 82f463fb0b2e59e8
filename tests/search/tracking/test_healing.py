"""Whatever people do to runs and experiments between two runs, the next one shows all as recorded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from time import sleep

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

import search.tracking.projection
from search.definition.sweep import Sweep
from search.records.record import Record
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, engine
from tests.search.tracking.simulated import check_shown, named, run_simulated, shown_by
from tests.search.tracking.tampering import NAME, Tamperer


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep and the MLflow that shows it, made once."""
    folder = tmp_path_factory.mktemp("shown")
    assert run_simulated(folder, named(NAME), f"sqlite:///{folder}/mlflow.db") == ""
    return folder


TAMPERINGS = [
    getattr(Tamperer, name) for name in vars(Tamperer) if not name.startswith("_")
]  # in the order above


@pytest.fixture
def folder(tmp_path: Path, shown: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(shown, tmp_path / "copy"))


def records(folder: Path, definition: Sweep) -> list[Record]:
    return list(engine(folder, definition).records)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda function: function.__name__)
def test_what_was_done_to_runs_and_experiments_is_healed_for_good(
    folder: Path, tamper: Callable[[Tamperer], None]
) -> None:
    definition, uri = named(NAME), f"sqlite:///{folder}/mlflow.db"
    tamper(Tamperer(folder))
    with pytest.raises((AssertionError, ValueError, KeyError)):
        _whole(uri, definition, records(folder, definition))
    assert run_simulated(folder, definition, uri) == ""
    _whole(uri, definition, records(folder, definition))
    before = _state(uri)
    assert run_simulated(folder, definition, uri) == ""
    assert _state(uri) == before, "it is healed once and for all"


def _whole(uri: str, definition: Sweep, of: list[Record]) -> None:
    """As `check_shown`; also that the experiment and its parent run are there and have ended."""
    check_shown(uri, definition, of)
    experiment = MlflowClient(uri).get_experiment_by_name(definition.name)
    assert experiment is not None
    assert experiment.lifecycle_stage == "active"
    assert experiment.tags["dropattack.sweep"] == definition.name
    parent = next(r for r in shown_by(uri, definition.name) if r.data.tags.get("dropattack.kind") == "sweep")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["dropattack.command"]


def _state(uri: str) -> dict[str, tuple[object, ...]]:
    client = MlflowClient(uri)
    return {
        run.info.run_id: (
            run.info.lifecycle_stage,
            run.info.status,
            run.info.end_time if "dropattack.key" in run.data.tags else 0,
            tuple(sorted(run.data.tags.items())),
            tuple(sorted(run.data.metrics.items())),
        )
        for experiment in client.search_experiments(ViewType.ALL)
        for run in client.search_runs([experiment.experiment_id], "", ViewType.ALL)
    }


def test_what_people_add_for_themselves_stays(folder: Path) -> None:
    definition, uri = named(NAME), f"sqlite:///{folder}/mlflow.db"
    person = Tamperer(folder)
    client, run_id = person.client, person.trial.info.run_id
    client.update_run(run_id, name="the good one")
    client.set_tag(run_id, "mlflow.note.content", "look at this")
    client.log_metric(run_id, "my_metric", 1.5)
    client.log_param(run_id, "my_param", "x")
    own = client.create_run(person.experiment.experiment_id, tags={"mine": "yes"})
    client.rename_experiment(person.experiment.experiment_id, "renamed")
    assert run_simulated(folder, definition, uri) == ""
    client.delete_run(own.info.run_id)
    check_shown(uri, definition, records(folder, definition), "renamed")
    run = client.get_run(run_id)
    assert run.info.run_name == "the good one"
    assert run.data.tags["mlflow.note.content"] == "look at this"
    assert (run.data.metrics["my_metric"], run.data.params["my_param"]) == (1.5, "x")
    assert client.get_run(own.info.run_id).info.status == "RUNNING"
    assert client.get_experiment_by_name(NAME) is None


@pytest.mark.parametrize("tamper", [Tamperer.delete_trials, Tamperer.delete_experiment])
def test_what_was_deleted_comes_back_as_it_was(folder: Path, tamper: Callable[[Tamperer], None]) -> None:
    person = Tamperer(folder)
    before = {run.info.run_id for run in person.trials}
    tamper(person)
    run_simulated(folder, named(NAME), f"sqlite:///{folder}/mlflow.db")
    assert {run.info.run_id for run in Tamperer(folder).trials} == before


def test_of_a_deleted_experiment_only_the_runs_of_the_records_come_back(folder: Path) -> None:
    """Whoever deleted the sweep to begin another one of its name does not meet the former one's trials."""
    person = Tamperer(folder)
    tags = person.trial.data.tags | {"dropattack.key": "former", "dropattack.trial": "{}"}
    tags["dropattack.configuration_id"] = "former"
    others = [
        person.client.create_run(person.experiment.experiment_id, tags=dict(of)).info.run_id
        for of in (tags, {"mine": "yes"})
    ]
    person.delete_experiment()
    definition, uri = named(NAME), f"sqlite:///{folder}/mlflow.db"
    assert run_simulated(folder, definition, uri) == ""
    check_shown(uri, definition, records(folder, definition))
    assert {person.client.get_run(run_id).info.lifecycle_stage for run_id in others} == {"deleted"}


def test_a_replaced_run_says_why_and_is_among_the_deleted_ones(folder: Path) -> None:
    person = Tamperer(folder)
    run_id = person.trial.info.run_id
    person.client.log_metric(run_id, "valid_accuracy", 0.999, 4_000_000_000_000, 70)
    run_simulated(folder, named(NAME), f"sqlite:///{folder}/mlflow.db")
    run = person.client.get_run(run_id)
    assert run.info.lifecycle_stage == "deleted"
    why = run.data.tags["dropattack.replaced"]
    assert why == "it shows epoch 70; 3 are on record"


def test_runs_that_are_deleted_while_a_sweep_runs_are_back_at_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of trials that MLflow is told nothing more about."""
    monkeypatch.setattr(search.tracking.projection, "_TRUSTED_SECONDS", 0.0)
    definition, uri = named(NAME), f"sqlite:///{folder}/mlflow.db"
    projection = search.tracking.projection.Projection(uri, definition, folder / "artifacts", {})
    of = records(folder, definition)
    projection.start(of)
    while len(projection.shown().ids) < len(of):
        pass
    while projection._dirty:
        pass
    Tamperer(folder).delete_trials()
    projection.drain()
    assert projection.close([]) == ""
    check_shown(uri, definition, of)


@pytest.mark.parametrize("everything", [True, False])
def test_what_is_deleted_while_trials_go_on_comes_back(tmp_path: Path, shown: Path, everything: bool) -> None:
    """Their next epochs meet runs, or an experiment, that MLflow no longer lets anybody write to."""
    shutil.copy(shown / "mlflow.db", tmp_path / "mlflow.db")
    definition, uri = named("going-on"), f"sqlite:///{tmp_path}/mlflow.db"
    tested = engine(tmp_path, definition)
    projection = search.tracking.projection.Projection(uri, definition, tmp_path / "artifacts", {})
    client, deleted = MlflowClient(uri), list[str]()

    def delete(record: Record) -> None:
        if len(record.epochs) == 2 and not deleted:
            while record.key not in projection.shown().ids:
                sleep(0.01)
            deleted.append(record.key)
            run = client.get_run(projection.shown().ids[record.key])
            if everything:
                client.delete_experiment(run.info.experiment_id)
            else:
                client.delete_run(run.info.run_id)

    tested.listeners += [projection.show, lambda record: sleep(0.05), delete]
    projection.start(tested.records)
    Driver(tested).run()
    projection.drain(PATIENCE_SECONDS)
    assert deleted
    assert projection.close([]) == ""
    check_shown(uri, definition, list(tested.records))
