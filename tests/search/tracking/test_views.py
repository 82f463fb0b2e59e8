"""The saved views of a sweep: which runs, in which order, with which columns."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from search.records.store import Store
from search.tracking.database import experiments
from search.tracking.runs import SweepRuns
from search.tracking.views import address, view_tags
from tests.search.simulation import sweep


def _state(name: str, **changes: object) -> dict[str, object]:
    tags = view_tags(sweep(**changes), 7)
    view = json.loads(tags[f"mlflow.sharedViewState.dropattack-{name}"])
    assert (view["name"], view["createdAt"]) == (f"small: {name}", 7)
    state: dict[str, object] = json.loads(view["state"])
    return state


@pytest.mark.parametrize(("metric", "ascending"), [("accuracy", False), ("loss", True)])
def test_the_best_by_the_sweeps_metric_comes_first(metric: str, ascending: bool) -> None:
    for name in ("configurations", "trials"):
        state = _state(name, select={"metric": metric})
        assert (state["orderByKey"], state["orderByAsc"]) == (f"metrics.`best/valid_{metric}`", ascending)


@pytest.mark.parametrize(
    ("rule", "order"),
    [
        ({"constraints": ["accuracy >= 0.9"]}, ["pgd-20_0.1_accuracy", "accuracy"]),
        ({"constraints": ["pgd-20_0.1_accuracy >= 0.3"]}, ["accuracy", "pgd-20_0.1_accuracy"]),
        (
            {"weights": {"accuracy": 1, "pgd-20_0.1_accuracy": 1, "passes": 0}},
            ["accuracy", "pgd-20_0.1_accuracy"],
        ),
    ],
)
def test_of_several_aims_all_have_columns_and_the_one_that_decides_orders(
    rule: dict[str, object], order: list[str]
) -> None:
    """Passes are a param; a weighted sum is no metric of a run."""
    metrics = ["accuracy", "pgd-20_0.1_accuracy", "passes"]
    stages = [{"name": "grid", "methods": {"standard": {}}}]
    state = _state(
        "trials",
        select={"metrics": metrics, **rule},
        training={"robustness": "pgd-20:0.1"},
        stages=stages,
    )
    assert state["orderByKey"] == f"metrics.`best/valid_{order[0]}`"
    columns = state["selectedColumns"]
    assert isinstance(columns, list)
    shown = [f"metrics.`best/{split}_{name}`" for name in order for split in ("valid", "test")]
    assert [column for column in columns if column.startswith("metrics")] == shown


def test_columns_are_what_was_asked_for() -> None:
    columns = _state("trials")["selectedColumns"]
    params = ["method", "epsilon", "p", "k", "targets", "control", "seed"]
    metrics = ["best/valid_accuracy", "best/test_accuracy"]
    assert columns == [*(f"params.`{p}`" for p in params), *(f"metrics.`{m}`" for m in metrics)]
    several = _state("trials", workloads=["digits-lenet5", "mnist-lenet5"])["selectedColumns"]
    assert isinstance(several, list)
    assert several[0] == "params.`workload`"


@pytest.mark.parametrize("name", ["configurations", "trials"])
def test_what_is_searched_has_a_column_and_numbers_an_axis(name: str) -> None:
    """A range counts as much as a list; a single value is fixed, and so is one value twice."""
    methods = {"dropattack": {"epsilon": [0.1, 1]}, "sam": {"rho": {"low": 0.1, "high": 0.3}}}
    state = _state(
        name,
        training={"epochs": 2, "learning_rate": [0.001, 0.003], "schedule": ["constant", "cosine"]},
        model={"hidden1": {"low": 10, "high": 20, "step": 10}, "hidden2": [84, 84]},
        stages=[{"name": "grid", "search": {"kind": "random", "trials": 3}, "methods": methods}],
    )
    columns, charts = state["selectedColumns"], state["compareRunCharts"]
    assert isinstance(columns, list)
    assert isinstance(charts, list)
    numbers = ["rho", "training.learning_rate", "model.hidden1"]
    place = columns.index("params.`control`") + 1
    assert {*columns[place : place + 4]} == {f"params.`{n}`" for n in [*numbers, "training.schedule"]}
    assert charts[0]["selectedParams"] == ["epsilon", "p", "k", *numbers]


def test_views_are_kept_in_the_experiment_and_put_right(tmp_path: Path, uri: str) -> None:
    definition = sweep(name="viewed")
    client = MlflowClient(uri)
    for _ in range(2):
        runs = SweepRuns(uri, definition, tmp_path / "artifacts", {})
        tags = client.get_experiment(runs.experiment).tags
        assert json.loads(tags["mlflow.sharedViewState.dropattack-trials"])["name"] == "viewed: trials"
        client.set_experiment_tag(runs.experiment, "mlflow.sharedViewState.dropattack-trials", "mine")
    assert f"/#/experiments/{runs.experiment}/runs?" in address("http://h:1/", runs.experiment)


def test_sweeps_of_a_store_are_found_without_mlflow_the_last_changed_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in ("first", "second"):
        SweepRuns(store.tracking_uri, sweep(name=name), store.artifacts, {})
        store.folder(name).mkdir(parents=True)
    store.journal_path("first").touch()
    client = MlflowClient(store.tracking_uri)
    ids = {e.name: e.experiment_id for e in client.search_experiments() if e.name != "Default"}
    assert list(experiments(store).items()) == [("first", ids["first"]), ("second", ids["second"])]
    client.delete_experiment(ids["first"])
    assert list(experiments(store)) == ["second"]
