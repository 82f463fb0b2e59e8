"""Runs in MLflow say who their trials are, those of earlier versions too, as soon as a sweep is run again."""

import json
import pickle
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.store.entities import PagedList

from analysis.questions.selection import configurations
from analysis.records import CONFIGURATION, CONTROL, Records, from_mlflow
from search.definition.sweep import Sweep
from search.records.record import Record
from search.results.best import best_by_workload
from search.tracking.runs import SweepRuns
from search.tracking.shown import all_runs
from tests.search.simulation import Driver, engine, sweep
from tests.search.tracking.simulated import named, shown_by

GRID = {
    "name": "grid",
    "methods": {"dropattack": {"epsilon": [1.0, 5.0], "p": [0, 0.5], "control": ["none", "eps-zero"]}},
}


def show(uri: str, definition: Sweep, records: Sequence[Record], folder: Path) -> None:
    runs = SweepRuns(uri, definition, folder / "artifacts", {})
    for record in records:
        runs.show(record, record.state, record.epochs)


def trained(folder: Path, name: str) -> tuple[Sweep, list[Record]]:
    definition = sweep(name=name, stages=[GRID])
    driver = Driver(engine(folder, definition))
    driver.run()
    return definition, list(driver.engine.records)


def trial_runs(uri: str, name: str) -> list[Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "tags.`dropattack.kind` = 'trial'"))


def identities(records: Records) -> dict[str, tuple[str, str]]:
    columns = records.trials[["key", CONFIGURATION, CONTROL]].to_numpy()
    return {key: (configuration, control) for key, configuration, control in columns}


def by_key(records: Sequence[Record]) -> dict[str, tuple[str, str]]:
    """Of every training its first name, which is the one that trained it."""
    found: dict[str, tuple[str, str]] = {}
    for record in records:
        found.setdefault(record.key, (record.identity.configuration, record.identity.control))
    return found


def test_a_run_says_which_configuration_and_control_it_is(tmp_path: Path, uri: str) -> None:
    definition, records = trained(tmp_path, "told")
    show(uri, definition, records, tmp_path)
    expected = by_key(records)
    assert len(expected) == 2 * 4, "per seed: the baseline, two attacks and one of all passes at ε = 0"
    back = from_mlflow(uri, "told")
    assert identities(back) == expected
    assert {control for _, control in expected.values()} == {"", "p-zero", "eps-zero"}
    best = best_by_workload(definition, records)["digits-lenet5"]
    assert configurations(back)[CONFIGURATION].iloc[0] == best.record.identity.configuration
    assert sorted(back.baselines()["seed"]) == [0, 1], "p = 0 stands for standard training"


def test_runs_of_an_earlier_version_are_known_at_once_and_named_when_the_sweep_runs_again(
    tmp_path: Path, uri: str
) -> None:
    definition, records = trained(tmp_path, "former")
    show(uri, definition, records, tmp_path)
    client = MlflowClient(uri)
    for number, run in enumerate(trial_runs(uri, "former")):
        for name in (CONFIGURATION, CONTROL):
            client.delete_tag(run.info.run_id, f"dropattack.{name}")
        if number % 2:
            key = run.data.tags["dropattack.key"]
            client.set_tag(run.info.run_id, "dropattack.key", f"former-{key}")
            for record in records:
                record.former = f"former-{key}" if record.key == key else record.former
    before = {run.info.run_id for run in trial_runs(uri, "former")}
    back = from_mlflow(uri, "former")
    assert identities(back) == by_key(records)
    assert set(back.epochs["key"]) == set(by_key(records))

    show(uri, definition, records, tmp_path)
    after = trial_runs(uri, "former")
    assert {run.info.run_id for run in after} == before, "no training has a second run"
    tags = ("key", CONFIGURATION, CONTROL)
    named = [tuple(run.data.tags[f"dropattack.{tag}"] for tag in tags) for run in after]
    assert {key: tuple(others) for key, *others in named} == by_key(records)


def test_a_run_with_a_former_key_is_its_trials_whatever_its_version_said_of_it(
    tmp_path: Path, uri: str
) -> None:
    """Versions with other settings wrote other settings, and other names of configurations."""
    definition, records = trained(tmp_path, "older")
    show(uri, definition, records, tmp_path)
    client, former = MlflowClient(uri), {}
    for run in trial_runs(uri, "older"):
        key = run.data.tags["dropattack.key"]
        former[f"former-{key}"] = run.info.run_id
        client.set_tag(run.info.run_id, "dropattack.key", f"former-{key}")
        client.set_tag(run.info.run_id, f"dropattack.{CONFIGURATION}", "older")
        client.set_tag(run.info.run_id, "dropattack.trial", '{"workload": "older"}')
    for record in records:
        record.former = f"former-{record.key}"
    show(uri, definition, records, tmp_path)
    after = {run.info.run_id: run.data.tags["dropattack.key"] for run in trial_runs(uri, "older")}
    assert after == {run_id: name.removeprefix("former-") for name, run_id in former.items()}


@pytest.mark.parametrize("told", [None, "no JSON", {"workload": "gone"}, {"method": "gone"}])
def test_a_run_whose_trial_cannot_be_resolved_keeps_its_key(
    tmp_path: Path, uri: str, told: str | dict[str, str] | None
) -> None:
    """Its settings then say what it is."""
    name = f"gone-{told if isinstance(told, str) else '-'.join(told or {})}".replace(" ", "-")
    definition, records = trained(tmp_path, name)
    show(uri, definition, records, tmp_path)
    client = MlflowClient(uri)
    for run in trial_runs(uri, name):
        trial = json.loads(run.data.tags["dropattack.trial"])
        client.delete_tag(run.info.run_id, f"dropattack.{CONFIGURATION}")
        client.delete_tag(run.info.run_id, "dropattack.trial")
        if told is not None:
            text = json.dumps(trial | told) if isinstance(told, dict) else told
            client.set_tag(run.info.run_id, "dropattack.trial", text)
    found, expected = identities(from_mlflow(uri, name)), by_key(records)
    assert {key: control for key, (_, control) in found.items()} == {
        key: control for key, (_, control) in expected.items()
    }
    assert len({configuration for configuration, _ in found.values()}) == 4


@pytest.mark.parametrize(("metric", "mode"), [("loss", "min"), ("accuracy", "max")])
@pytest.mark.parametrize("lost", [True, False])
def test_what_a_sweep_selects_by_is_read_back_with_and_without_its_definition(
    tmp_path: Path, uri: str, metric: str, mode: str, lost: bool
) -> None:
    """Files may be lost, or be elsewhere; another metric would name another configuration the best."""
    definition = sweep(name=f"select-{metric}-{lost}", stages=[GRID], select={"metric": metric})
    show(uri, definition, [], tmp_path)
    if lost:
        shutil.rmtree(tmp_path / "artifacts")
    back = from_mlflow(uri, definition.name)
    assert (back.select, back.mode) == (f"valid_{metric}", mode)


def test_a_sweep_that_ends_before_a_trial_is_shown_ends_in_mlflow(tmp_path: Path, uri: str) -> None:
    """Its configuration is known by then, and has no run that could be ended."""
    definition = sweep(name="hurried")
    record = engine(tmp_path, definition).next()
    assert record is not None
    runs = SweepRuns(uri, definition, tmp_path / "artifacts", {})
    runs.configurations.add(record, record.state, record.epochs)
    runs.finish((), (), "KILLED")
    assert [run.info.status for run in shown_by(uri, "hurried")] == ["KILLED"]


def test_of_a_finished_trial_only_what_may_change_is_kept(tmp_path: Path, uri: str, way: str) -> None:
    """Most that MLflow shows of a trial are settings, which nothing that comes later compares."""
    definition = named(f"kept-{way}")
    tested = engine(tmp_path, definition)
    Driver(tested, slots=2).run()
    runs = SweepRuns(uri, definition, tmp_path / "artifacts", {})
    for record in tested.records:
        runs.show(record, record.state, record.epochs)
    runs.show_configurations(complete=True)
    kept = len(pickle.dumps(runs._runs)) + len(pickle.dumps(runs.configurations._configurations))
    shown = sum(len(json.dumps(run.to_dictionary())) for run in shown_by(uri, definition.name))
    # 6 runs of trials beside 6 of configurations; the configurations' first records are the engine's own.
    own = len(pickle.dumps([each.first for each in runs.configurations._configurations.values()]))
    assert kept - own < shown / 4


def test_all_runs_come_page_by_page_and_no_page_outlives_the_next() -> None:
    class Shown:
        pass

    class Pages:
        """Answers as MLflow's client; notes how many runs of earlier pages live when it is asked."""

        def __init__(self) -> None:
            self.made: list[weakref.ref[Shown]] = []
            self.alive: list[int] = []

        def search_runs(self, *_: Any, max_results: int, page_token: str | None, **__: Any) -> Any:
            self.alive.append(sum(each() is not None for each in self.made))
            page = [Shown() for _ in range(max_results)]
            self.made += map(weakref.ref, page)
            return PagedList(page, "more" if len(self.alive) < 4 else None)

    pages = Pages()
    number = len([id(run) for run in all_runs(pages, "1")])  # type: ignore[arg-type]
    assert number == len(pages.made)
    # The page itself is let go by its successor.
    assert max(pages.alive) <= number / 4
