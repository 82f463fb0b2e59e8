"""Sweeps that select by accuracy under attack, and trained models attacked afterwards."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from torch import Tensor

from dropattack import UsageError
from dropattack.robustness import adversarial_examples, autoattack, parse_grid, parts
from search.definition.validity import check_meaning
from search.records.store import Store
from search.results.reporting import report_sweep
from search.results.under_attack import evaluate_sweep
from search.tracking.runs import SweepRuns
from tests.search.trained import UNUSED, run, sweep
from trainables.disk import model_path
from trainables.models.lenet5 import LeNet5
from trainables.saved import load_model
from trainables.workloads import workload_named


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a trained sweep that MLflow shows."""
    store = Store(tmp_path_factory.mktemp("store"))
    engine = run(sweep(), store)
    runs = SweepRuns(store.tracking_uri, sweep(), store.artifacts, {})
    for record in engine.records:
        runs.show(record, record.state, record.epochs)
    return store


def test_models_are_attacked_once_and_shown(store: Store) -> None:
    grid = "fgsm:0.1+transfer-fgsm:0.1"
    first = evaluate_sweep("attacked", store, UNUSED, grid)
    assert (first.models, first.without_source, first.warning) == (4, 2, "")
    measured = store.robustness("attacked")
    records = store.complete("attacked")
    standard = {r.trial.seed: r for r in records if r.trial.method == "standard"}
    test = workload_named("digits-lenet5").load(UNUSED).test
    images, labels = next(test.batches(len(test)))
    for record in records:
        own = measured[record.key]
        model, source = (
            load_model(model_path(store.folder("attacked"), key)).model
            for key in (record.key, standard[record.trial.seed].key)
        )
        for name, attacked in (("fgsm", model), ("transfer-fgsm", source)):
            if name.startswith("transfer") and record.trial.method == "standard":
                assert f"test_{name}_0.1_accuracy" not in own
                continue
            right = model(adversarial_examples("fgsm", attacked, images, labels, 0.1)).argmax(1) == labels
            assert own[f"test_{name}_0.1_accuracy"] == pytest.approx(right.float().mean().item(), abs=1e-6)
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name("attacked")
    shown = {
        run.data.tags["dropattack.key"]: run.data.metrics
        for run in client.search_runs([experiment.experiment_id], "tags.`dropattack.kind` = 'trial'")
    }
    for key, metrics in measured.items():
        assert metrics.items() <= shown[key].items()

    again = evaluate_sweep("attacked", store, UNUSED, grid)
    assert again.models == 0
    assert evaluate_sweep("attacked", store, UNUSED, "fgsm:0.1,0.2").models == 4
    page = report_sweep("attacked", store).read_text(encoding="utf-8")
    assert 'id="robustness"' in page
    assert "transfer-fgsm" in page


def test_autoattack_goes_on_with_the_models_that_are_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "STANDARD", parts.Budget(steps=3, targets=2, queries=10))

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    lines: list[str] = []
    grid = "autoattack-of-20:0.05"
    with pytest.raises(KeyboardInterrupt):
        evaluate_sweep("attacked", store, UNUSED, grid, progress=stop, told=lines.append)
    assert len(lines) == 2 * 5, "each model before and after each of the four attacks"
    found = {key: own["test_autoattack-of-20_0.05_accuracy"] for key, own in _with(store, grid)}
    assert len(found) == 2
    done = evaluate_sweep("attacked", store, UNUSED, grid, told=lines.append)
    assert done.models == 2
    assert (
        found.items()
        <= {key: own["test_autoattack-of-20_0.05_accuracy"] for key, own in _with(store, grid)}.items()
    )
    verdicts = [line for line in done.remarks if "gradients" in line]
    assert [line.split(":")[0] for line in verdicts] == ["digits-lenet5"] * 2


def _with(store: Store, grid: str) -> list[tuple[str, Any]]:
    (case,) = parse_grid(grid)
    return [(key, own) for key, own in store.robustness("attacked").items() if f"test_{case.metric}" in own]


def test_what_lacks_for_an_attack_is_said_before_a_model_is_attacked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoattack, "find_spec", lambda name: None)
    before = store.robustness("attacked")
    with pytest.raises(UsageError, match=r"pip install 'dropattack\[autoattack\]'"):
        evaluate_sweep("attacked", store, UNUSED, "fgsm:0.17+autoattack:0.05")
    assert store.robustness("attacked") == before


@pytest.mark.parametrize(
    ("name", "attacks", "message"),
    [
        ("attacked", "", "name attacks"),
        ("attacked", "autoattack:8", "exceeds 1, the whole range of the inputs"),
        ("attacked", "pgd:0.1", "lacks a part"),
        ("elsewhere", "fgsm:0.1", "has not been run"),
    ],
)
def test_a_wrong_request_is_refused(store: Store, name: str, attacks: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate_sweep(name, store, UNUSED, attacks)


def test_a_search_with_asha_selects_by_accuracy_under_attack(tmp_path: Path) -> None:
    stage = {
        "name": "search",
        "search": {"kind": "optuna", "trials": 6},
        "scheduler": "asha",
        "methods": {"fgsm": {"epsilon": {"low": 0.01, "high": 0.3}}},
    }
    definition = sweep(
        training={"epochs": 3, "train_size": 128, "robustness": "fgsm:0.1"},
        stages=[stage, {"name": "confirm", "search": {"kind": "confirm", "seeds": [7]}}],
        select={"metric": "fgsm_0.10_accuracy"},
    )
    check_meaning(definition)
    assert definition.select.column == "valid_fgsm_0.1_accuracy"
    records = run(definition, Store(tmp_path)).records
    searched = [r for r in records if r.stage == "search"]
    assert {len(r.epochs) for r in searched} > {3}
    complete = [r for r in searched if len(r.epochs) == 3]
    best = max(complete, key=lambda r: max(m["valid_fgsm_0.1_accuracy"] for m in r.epochs))
    confirmed = [r for r in records if r.stage == "confirm" and r.trial.method == "fgsm"]
    assert [r.trial.hyperparameters for r in confirmed] == [best.trial.hyperparameters]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"select": {"metric": "pgd-20_0.1_accuracy"}},
            "unknown metric of digits-lenet5 'pgd-20_0.1_accuracy'",
        ),
        (
            {"select": {"metric": "test_fgsm_0.1_accuracy"}},
            "'test_fgsm_0.1_accuracy' is not measured on validation",
        ),
        ({"training": {"robustness": "fgsm"}}, "robustness 'fgsm' must read"),
        ({"training": {"examples": "some"}}, "unknown value of examples 'some'"),
        ({"workload": "imdb-lstm", "training": {"examples": "both"}}, "imdb-lstm has texts"),
    ],
)
def test_what_cannot_be_selected_or_trained_is_said_in_one_line(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as error:
        check_meaning(sweep(**changes))
    assert "\n" not in str(error.value)


def test_scenarios_are_a_dimension_like_others(tmp_path: Path) -> None:
    definition = sweep(
        training={"epochs": 1, "train_size": 128, "examples": ["clean", "adversarial", "both"]},
        stages=[{"name": "grid", "methods": {"standard": {}}}],
        seeds=[0],
    )
    check_meaning(definition)
    passes = {r.trial.training["examples"]: r.trial.passes for r in run(definition, Store(tmp_path)).records}
    assert passes == {"clean": 1, "adversarial": 2, "both": 3}


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("tf32", True)])
def test_models_are_attacked_in_the_arithmetic_of_their_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, expected: bool
) -> None:
    store = Store(tmp_path)
    run(sweep(training={"epochs": 1, "train_size": 64, "precision": precision}, seeds=[0]), store)
    kinds: Any = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [kind.allow_tf32 for kind in kinds]
    seen = []
    forward = LeNet5.forward

    def noted(model: LeNet5, images: Tensor) -> Tensor:
        seen.append([kind.allow_tf32 for kind in kinds])
        return forward(model, images)

    monkeypatch.setattr(LeNet5, "forward", noted)
    evaluate_sweep("attacked", store, UNUSED, "pgd-1-of-50:0.1+transfer-fgsm-of-50:0.1")
    assert seen
    assert all(flags == [expected] * 2 for flags in seen)
    assert [kind.allow_tf32 for kind in kinds] == before
