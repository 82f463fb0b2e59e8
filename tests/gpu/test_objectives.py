"""Losses, metrics and bounds away from the CPU: of numbers and tensors that a user states anywhere."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack import UsageError
from tests.gpu.conftest import Away
from tests.gpu.trials import IMAGES, data, trial
from tests.pretended import AWAY, pretended
from trainables import vision
from trainables.data.dataset import Data
from trainables.data.splits import TensorSplit
from trainables.objectives import Classification, CustomObjective, Measure, MultiLabel, Objective, Regression
from trainables.training.loop import Training

RANKING = ("balanced_accuracy", "auroc", "average_precision", "calibration_error", "mcc")
OUTPUTS = torch.linspace(-2, 2, 60).sin().view(20, 3)
CLASSES = torch.arange(20) % 3


def loaded(library: str) -> None:
    """Skips where a bare machine lacks it."""
    try:
        getattr(vision, library)()
    except (ImportError, UsageError) as error:
        pytest.skip(str(error))


def worst(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs - labels).abs().max()


OBJECTIVES: dict[str, tuple[Objective, Tensor]] = {
    "classification": (Classification(), CLASSES),
    "weights": (Classification(class_weights=(1.0, 2.0, 0.5)), CLASSES),
    "balanced": (Classification(class_weights="balanced"), CLASSES),
    "ranking": (Classification(metrics=RANKING), CLASSES),
    "labels": (MultiLabel(), (OUTPUTS > 0.3).float()),
    "regression": (Regression(), OUTPUTS * 2 + 0.1),
    "custom": (CustomObjective(F.huber_loss, {"worst": Measure(worst)}), OUTPUTS * 3),
}


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_objective_gives_the_numbers_of_the_cpu(name: str, away: Away) -> None:
    if name in ("ranking", "labels"):
        loaded("torchmetrics")
    objective, labels = OBJECTIVES[name]
    split = TensorSplit(OUTPUTS, labels)
    own = Data(split, split, split, 3, "checksum")
    smoothing = 0.1 if objective.classifies else 0.0
    expected = objective.measure(nn.Identity(), split, own)
    loss = objective.loss(split, own, smoothing)(OUTPUTS, labels).item()
    with away() as device:
        there = own.to(device)
        found = objective.measure(nn.Identity(), there.test, there)
        lost = objective.loss(there.train, own, smoothing)(there.train.inputs, there.train.labels)
        hits = objective.hits(there.train.inputs, there.train.labels)
        assert hits is None or int(hits) == int((OUTPUTS.argmax(1) == labels).sum())
        assert lost.item() == pytest.approx(loss, rel=1e-5)
    assert found.metrics == pytest.approx(expected.metrics, rel=1e-5)
    assert found.confusion == expected.confusion


def test_bounds_of_channels_may_lie_on_the_cpu(away: Away) -> None:
    asked = trial(IMAGES, "fgsm", examples="both", robustness="pgd-2:0.1+square-2:0.1", epochs=1)
    bounds = (torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    own = replace(data(IMAGES), bounds=bounds)
    expected = Training(asked, own).epoch()
    with away() as device:
        found = Training(asked, own, device).epoch()
    assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)


def test_bounds_that_moved_with_their_data_are_not_waited_for() -> None:
    own = replace(data(IMAGES), bounds=(torch.zeros(1, 1, 1), 1.0))
    with pretended() as watch:
        there = own.to(AWAY)
        training = Training(trial(IMAGES, "fgsm", examples="both"), there, AWAY)
        training.epoch()
        assert isinstance(there.bounds[0], torch.Tensor)
        assert there.bounds[0].device == AWAY
        watch.waits.clear()
        training._train()
    assert not watch.faults
    assert not [place for place in watch.waits if "victims" in place], dict(watch.waits)


@pytest.mark.parametrize("recipe", [{"augment": "crop-flip"}, {"batch_size": 11}])
def test_a_trial_on_a_cpu_starts_no_gpu_for_its_checks(
    recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a GPU's generator cannot be read without a CUDA context, of half a gigabyte."""
    read: list[Any] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device="cuda": read.append(device))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *_: None)
    Training(trial(IMAGES, epochs=1, **recipe), data(IMAGES)).epoch()
    assert read == []


@pytest.mark.parametrize("augment", ["flip", "crop", "trivial-augment", "rand-augment"])
def test_images_are_changed_where_they_lie(augment: str, away: Away) -> None:
    if "augment" in augment:
        loaded("transforms")
    with away() as device:
        metrics = Training(trial(IMAGES, augment=augment, epochs=1), data(IMAGES), device).epoch()
    assert metrics["on_gpu"] == 1
