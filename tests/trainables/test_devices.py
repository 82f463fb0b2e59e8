"""Trials on a device that is not there: what only a GPU would refuse, or make slow."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

import dropattack
from dropattack.modes import model_draws
from tests.pretended import AWAY, Watch, pretended
from trainables.data.dataset import Data
from trainables.lanes.loop import Lanes
from trainables.training.loop import Training
from trainables.training.under_attack import Evaluation
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

METHODS = sorted(dropattack.registered())
SHORT = {"trades": {"k": 1}}
"""Hyperparameters of methods that would be slow with their defaults."""
IMAGES, TEXTS = "digits-lenet5", "texts-bigru"
GRIDS = {
    IMAGES: "fgsm:0.1+fgm:0.1+pgd-2:0.1+pgd-l2-2:0.1+margin-2:0.1+noise-2:0.1+square-3:0.1",
    TEXTS: "fgm:1+pgd-l2-2:1+noise-l2-2:1",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    """Few images, and few texts of different lengths, by workload."""
    root = tmp_path_factory.mktemp("data")
    (root / "texts").mkdir()
    for name in ("train", "valid", "test"):
        lines = [
            f"{'good fine' if i % 2 else 'bad'} {'so ' * (i % 5)}w{i % 7} {name},{i % 2}" for i in range(20)
        ]
        (root / "texts" / f"{name}.csv").write_text("\n".join(["text,label", *lines]))
    images, few = workload_named(IMAGES).load(root), torch.arange(12)
    splits = {name: getattr(images, name).subset(few) for name in ("train", "valid", "test")}
    return {IMAGES: replace(images, **splits), TEXTS: workload_named(TEXTS).load(root)}


def trial(workload: str, method: str, hyperparameters: Any = None, **training: Any) -> Trial:
    settings = TrainingSettings(**{"epochs": 2, "batch_size": 4, "train_size": 10, **training})
    model = {"hidden": 4, "embedding_size": 4, "dropout": 0.0} if workload == TEXTS else {}
    return Trial.make(
        workload, method, hyperparameters or SHORT.get(method, {}), settings, 0, "checksum", model=model
    )


def numbers(metrics: dict[str, float]) -> dict[str, float]:
    """What must not depend on the device; rounding of sums aside."""
    return {n: v for n, v in metrics.items() if not n.endswith("seconds") and n not in ("on_gpu", "gpus")}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("workload", [IMAGES, TEXTS])
def test_a_trial_trains_and_resumes_away_from_the_cpu_with_the_numbers_of_the_cpu(
    data: dict[str, Data], workload: str, method: str
) -> None:
    asked = trial(workload, method, robustness="fgm:0.5")
    here = Training(asked, data[workload])
    expected = [here.epoch(), here.epoch()]
    with pretended() as watch:
        first = Training(asked, data[workload], AWAY)
        history = [first.epoch()]
        kept = copy.deepcopy(first.state_dict())
        resumed = Training(asked, data[workload], AWAY)
        resumed.load_state_dict(kept)
        history.append(resumed.epoch())
    assert not watch.faults
    assert [metrics["on_gpu"] for metrics in history] == [1, 1]
    for found, own in zip(history, expected, strict=True):
        assert numbers(found) == pytest.approx(numbers(own), abs=0.02)


@pytest.mark.parametrize("workload", [IMAGES, TEXTS])
@pytest.mark.parametrize("method", ["standard", "dropattack"])
def test_lanes_train_away_from_the_cpu(data: dict[str, Data], workload: str, method: str) -> None:
    chosen = [{"epsilon": 0.5}, {"epsilon": 1.0}] if method == "dropattack" else [{}]
    rates = (1e-3, 3e-3)
    trials = [trial(workload, method, one, learning_rate=rate) for one in chosen for rate in rates]
    expected = Lanes.of(trials, data[workload]).epoch()
    with pretended() as watch:
        lanes = Lanes.of(trials, data[workload], AWAY)
        found = lanes.epoch()
        lanes.drop(trials[0].key)
        lanes.epoch()
        copy.deepcopy(lanes.training(trials[1].key).state_dict())
    assert not watch.faults
    for key, metrics in expected.items():
        assert isinstance(metrics, dict)
        assert numbers(found[key]) == pytest.approx(numbers(metrics), abs=0.02)


@pytest.mark.parametrize("workload", [IMAGES, TEXTS])
def test_every_attack_is_made_away_from_the_cpu(data: dict[str, Data], workload: str) -> None:
    asked = trial(workload, "standard", robustness=GRIDS[workload])
    own = data[workload]
    model, source = (asked.architecture.build(own) for _ in range(2))
    evaluation = Evaluation.of(asked, own)
    cases = asked.training_settings.cases
    torch.manual_seed(0)
    expected = evaluation.metrics(model, own.test, cases, source)
    with pretended() as watch:
        found = evaluation.metrics(model.to(AWAY), own.test.to(AWAY), cases, source.to(AWAY))
    assert not watch.faults
    assert found == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("examples", ["adversarial", "both"])
def test_examples_are_made_away_from_the_cpu(data: dict[str, Data], examples: str) -> None:
    with pretended() as watch:
        Training(trial(IMAGES, "dropattack", examples=examples), data[IMAGES], AWAY).epoch()
    assert not watch.faults


def step_of(training: Training, watch: Watch) -> dict[str, int]:
    """How often a step waits, by line; not the first one, which looks at the model once for all."""
    training.model.train()
    batches = list(training.train.batches(4, training.shuffling))[:2]
    for batch in batches:
        watch.waits.clear()
        training.method.step(training.model, batch, training.optimizer)
    return dict(watch.waits)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("workload", "most"), [(IMAGES, 0), (TEXTS, 1)])
def test_the_host_waits_in_no_step_on_images_and_once_at_most_on_texts(
    data: dict[str, Data], workload: str, most: int, method: str
) -> None:
    with pretended() as watch:
        waits = step_of(Training(trial(workload, method), data[workload], AWAY), watch)
    assert sum(waits.values()) <= most, waits
    assert not watch.faults


@pytest.mark.parametrize(("workload", "most"), [(IMAGES, 1), (TEXTS, 3)])
def test_the_host_waits_once_in_a_step_of_lanes_and_twice_more_for_texts(
    data: dict[str, Data], workload: str, most: int
) -> None:
    trials = [trial(workload, "dropattack", {"epsilon": epsilon}) for epsilon in (0.5, 1.0)]
    with pretended() as watch:
        lanes = Lanes.of(trials, data[workload], AWAY)
        for (inputs, labels), _ in lanes._batches(4):
            before = sum(watch.waits.values())
            lanes._method.step(lanes._stack, inputs, labels, lanes._adam)
            waits = sum(watch.waits.values()) - before
    assert waits == most, "of the last step; the first one takes numbers to the device"


def test_the_pretended_device_sees_what_a_gpu_would_not_do() -> None:
    with pretended() as watch:
        away = torch.ones(3, device=AWAY)
        _ = away + torch.ones(3)
        assert sum(watch.faults.values()) == 1
        _ = torch.rand(3, generator=torch.Generator().manual_seed(1), device=AWAY)
        assert sum(watch.faults.values()) == 2
        _ = torch.rand(3, generator=torch.Generator(AWAY).manual_seed(2), device=AWAY) + 1.0
        assert sum(watch.faults.values()) == 2
        assert not watch.waits
        for waits in (lambda: away.sum().item(), lambda: away[away > 0], away.nonzero, away.tolist, away.cpu):
            before = sum(watch.waits.values())
            waits()
            assert sum(watch.waits.values()) == before + 1


@pytest.mark.parametrize("device", ["cpu", AWAY.type])
def test_a_device_without_a_default_generator_draws_from_the_cpus(device: str) -> None:
    before = torch.get_rng_state()
    drawn = []
    with pretended():
        for _ in range(2):
            with model_draws(torch.device(device), seed=3):
                drawn.append(torch.rand(2, device=device).tolist())
    assert drawn[0] == drawn[1]
    assert torch.equal(torch.get_rng_state(), before)
