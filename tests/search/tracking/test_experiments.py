"""Stores that share an MLflow server: each sweep of each store has an experiment of its own."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from search.definition.sweep import Sweep
from search.tracking.experiments import find_experiment, own_experiment
from search.tracking.projection import Projection
from search.tracking.shown import shown_runs
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, engine, sweep
from tests.search.tracking.simulated import check_shown

ONE, TWO = "11111111aaaa", "22222222bbbb"


def of(name: str, *epsilon: float) -> Sweep:
    return sweep(
        name=name,
        seeds=[0],
        training={"epochs": 1},
        stages=[{"name": "grid", "methods": {"dropattack": {"epsilon": list(epsilon)}}}],
    )


def run(folder: Path, definition: Sweep, uri: str, owner: str) -> list[str]:
    tested = engine(folder, definition)
    projection = Projection(uri, definition, folder / "artifacts", {}, owner=lambda: owner)
    tested.listeners.append(projection.show)
    projection.start(tested.records)
    Driver(tested).run()
    projection.drain(PATIENCE_SECONDS)
    assert projection.close([]) == ""
    return [record.key for record in tested.records]


def test_two_stores_with_a_sweep_of_one_name_are_shown_side_by_side(tmp_path: Path, uri: str) -> None:
    """They share one trial, and each has another: both are there, whoever runs first and last."""
    first, second = of("shared", 0.1, 1.0), of("shared", 1.0, 2.0)
    keys = run(tmp_path / "one", first, uri, ONE)
    others = run(tmp_path / "two", second, uri, TWO)
    run(tmp_path / "one", first, uri, ONE)
    check_shown(uri, first, list(engine(tmp_path / "one", first).records))
    check_shown(uri, second, list(engine(tmp_path / "two", second).records), "shared (22222222)")
    assert set(shown_runs(uri, "shared", ONE).ids) == set(keys)
    assert set(shown_runs(uri, "shared", TWO).ids) == set(others)
    assert "/experiments/" in shown_runs(uri, "shared", TWO).url


@pytest.mark.parametrize("deleted", [True, False])
def test_another_stores_experiment_is_left_alone(tmp_path: Path, uri: str, deleted: bool) -> None:
    name = f"left-alone-{deleted}"
    run(tmp_path / "one", of(name, 0.1), uri, ONE)
    client = MlflowClient(uri)
    experiment = find_experiment(client, name, ONE)
    assert experiment is not None
    if deleted:
        client.delete_experiment(experiment.experiment_id)
    before = [r.to_dictionary() for r in client.search_runs([experiment.experiment_id], "", ViewType.ALL)]
    run(tmp_path / "two", of(name, 0.1), uri, TWO)
    after = [r.to_dictionary() for r in client.search_runs([experiment.experiment_id], "", ViewType.ALL)]
    assert after == before
    found = find_experiment(client, name, ONE)
    assert found is not None
    assert (found.experiment_id, found.lifecycle_stage == "deleted") == (experiment.experiment_id, deleted)


def test_an_experiment_of_an_earlier_version_becomes_that_of_the_first_who_runs_it(uri: str) -> None:
    client = MlflowClient(uri)
    there = client.create_experiment("from-before")
    assert own_experiment(client, "from-before", None, ONE).experiment_id == there
    other = own_experiment(client, "from-before", None, TWO).experiment_id
    assert client.get_experiment(other).name == "from-before (22222222)"
    assert own_experiment(client, "from-before", None, ONE).experiment_id == there
    assert own_experiment(client, "from-before", None, TWO).experiment_id == other


def test_a_name_that_is_taken_by_another_sweeps_renamed_experiment_is_not_taken_over(uri: str) -> None:
    client = MlflowClient(uri)
    first = own_experiment(client, "first", None).experiment_id
    client.rename_experiment(first, "second")
    second = own_experiment(client, "second", None).experiment_id
    third = own_experiment(client, "second", None, ONE).experiment_id
    assert len({first, second, third}) == 3
    assert own_experiment(client, "first", None).experiment_id == first
    assert own_experiment(client, "second", None, ONE).experiment_id == third
