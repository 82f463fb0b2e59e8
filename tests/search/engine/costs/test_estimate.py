"""What a sweep takes here, and on a GPU that was measured."""

from pathlib import Path
from typing import Any

import pytest

from search.definition.sweep import Resources
from search.engine.costs import estimate
from search.engine.costs.cards import seconds_on_a_gpu
from search.engine.costs.estimate import STARTING_SECONDS, TRIAL_SECONDS, Estimator
from search.engine.costs.portions import Portion, of_trials
from search.engine.plan import plan_sweep
from search.records.store import Store
from tests.search.engine.costs.test_rates import record
from tests.search.simulation import Driver, engine, sweep, train
from trainables.recipe.settings import TrainingSettings
from trainables.trial import Trial
from trainables.workloads import workload_named


def portions(workload: str = "digits-lenet5", trials: int = 5, **training: Any) -> list[Portion]:
    settings = TrainingSettings(**training)
    made = [Trial.make(workload, "standard", {}, settings, seed, "data") for seed in range(trials)]
    return of_trials(made)


def estimator(resources: Resources) -> Estimator:
    known = record(Trial.make("digits-lenet5", "standard", {}, TrainingSettings(epochs=3), 0, "data"))
    return Estimator(resources, [known], lambda w, o: workload_named(w).load(Path("unused"), o), False)


def test_time_here_is_that_of_as_many_side_by_side_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(estimate.os, "cpu_count", lambda: 8)
    alone = estimator(Resources(concurrent=1)).estimate(portions())
    assert alone.seconds is not None
    for resources, many, cpus in ((Resources(), 5, 1), (Resources(cpus=2), 4, 2), (Resources(cpus=5), 1, 5)):
        found = estimator(resources).estimate(portions())
        assert found.seconds == pytest.approx(alone.seconds)
        assert found.core_hours == pytest.approx(alone.seconds * cpus / 3600)
        together = (alone.seconds + 5 * TRIAL_SECONDS) / many
        assert found.here == pytest.approx(together + STARTING_SECONDS)
        assert found.source == "records"
    asked = estimator(Resources(concurrent=100, cpus=2)).estimate(portions())
    assert asked.side_by_side == 4, "no more than the machine has room for"


def test_on_a_cluster_nobody_knows_how_many_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    found = estimator(Resources()).estimate(portions())
    assert found.here is None
    assert found.core_hours is not None


def test_of_what_is_not_recorded_nothing_is_known() -> None:
    found = estimator(Resources()).estimate([*portions(), *portions("breast-cancer-mlp")])
    assert (found.seconds, found.core_hours, found.here) == (None, None, None)


@pytest.mark.parametrize(
    ("workload", "training", "known"),
    [
        ("mnist-lenet5", {"train_size": 5000}, True),
        ("mnist-lenet5", {"train_size": 5000, "batch_size": 64}, False),
        ("mnist-lenet5", {"train_size": 5000, "precision": "tf32"}, False),
        ("mnist-lenet5", {"train_size": 5000, "robustness": "fgsm:0.1"}, False),
        ("digits-lenet5", {"train_size": 500}, False),
    ],
)
def test_a_gpu_is_told_of_only_where_it_was_measured(workload: str, training: Any, known: bool) -> None:
    """98 trials an hour of 10 epochs of 50,000 images in three passes (docs/lanes.md)."""
    found = estimator(Resources()).estimate(portions(workload, **training))
    assert found.gpu == ("NVIDIA H200" if known else "")
    if known:
        whole = 3600 / 98 / (50_000 * 10 * 3)
        assert found.gpu_seconds == pytest.approx(5 * 10 * 5000 * whole, rel=0.01)


@pytest.mark.parametrize(
    ("data", "known"), [({}, True), ({"tokenizer": "notebook"}, True), ({"fix_length": 40}, False)]
)
def test_a_gpu_is_not_told_of_for_shorter_texts(data: Any, known: bool) -> None:
    trial = Trial.make("imdb-lstm", "standard", {}, TrainingSettings(), 0, "data", data)
    assert (seconds_on_a_gpu(of_trials([trial]), lambda _: 40_000) is not None) == known


def test_a_plan_scales_with_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass over 100 examples tells what one over all takes: it is not the same."""
    small = sweep(stages=[{"name": "grid", "methods": {"standard": {}}}], training={"train_size": 120})
    store = Store(tmp_path)
    store.folder("small").mkdir(parents=True)
    timed = {"train_seconds": 0.5, "seconds": 0.5}
    monkeypatch.setattr("tests.search.simulation.train", lambda *given: train(*given) | timed)
    Driver(engine(store.folder("small"), small)).run()
    store.define(small)
    whole = sweep(name="whole", stages=[{"name": "grid", "methods": {"standard": {}}}], seeds=[0])
    (found,) = plan_sweep(whole, store, tmp_path).stages
    images = len(workload_named("digits-lenet5").load(tmp_path).train)
    assert found.seconds == pytest.approx(9 * 0.5 * images / 120)
