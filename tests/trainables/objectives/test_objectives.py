"""Losses and metrics of each objective, against scikit-learn and formulas."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as sk
from torch import Tensor, nn

from dropattack import UsageError
from trainables.data.dataset import Data
from trainables.data.splits import TensorSplit
from trainables.objectives import (
    Classification,
    CustomObjective,
    Measure,
    MultiLabel,
    Objective,
    Regression,
)
from trainables.objectives.objective import better


@dataclass(frozen=True)
class Given:
    """Outputs that are the inputs themselves."""

    outputs: Tensor
    labels: Tensor
    classes: int = 1
    positive: int | None = None

    @property
    def data(self) -> Data:
        split = TensorSplit(self.outputs, self.labels)
        return Data(split, split, split, self.classes, "checksum", positive=self.positive)

    def measured(self, objective: Objective) -> dict[str, float]:
        return objective.measure(nn.Identity(), self.data.test, self.data).metrics


def logits(classes: int, n: int = 700, positive: int | None = None) -> Given:
    """More than two batches of an evaluation."""
    generator = torch.Generator().manual_seed(classes)
    labels = torch.randint(classes, (n,), generator=generator)
    outputs = torch.randn(n, classes, generator=generator) + F.one_hot(labels, classes)
    return Given(outputs, labels, classes, positive)


FURTHER = ("balanced_accuracy", "auroc", "average_precision", "calibration_error", "mcc")


@pytest.mark.parametrize("positive", [None, 0, 1])
def test_two_classes_are_ranked_by_the_positive_one(positive: int | None) -> None:
    given = logits(2, positive=positive)
    found = given.measured(Classification(metrics=FURTHER))
    chances, labels = given.outputs.double().softmax(1).numpy(), given.labels.numpy()
    class_ = 1 if positive is None else positive
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels == class_, chances[:, class_]), abs=1e-6)
    expected = sk.average_precision_score(labels == class_, chances[:, class_])
    assert found["average_precision"] == pytest.approx(expected, abs=1e-5)
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, chances.argmax(1)))
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, chances.argmax(1)), abs=1e-6)
    assert ("f1" in found) == (positive is not None)


def test_more_classes_are_ranked_one_against_the_rest() -> None:
    given = logits(4)
    found = given.measured(Classification(metrics=FURTHER))
    chances, labels = given.outputs.double().softmax(1).numpy(), given.labels.numpy()
    expected = sk.roc_auc_score(labels, chances, multi_class="ovr", average="macro")
    assert found["auroc"] == pytest.approx(expected, abs=1e-5)
    each = [sk.average_precision_score(labels == c, chances[:, c]) for c in range(4)]
    assert found["average_precision"] == pytest.approx(np.mean(each), abs=1e-5)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, chances.argmax(1)))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(labels, chances.argmax(1), average="macro"))


def test_the_calibration_error_is_that_of_15_bins() -> None:
    given = logits(3)
    chances = given.outputs.double().softmax(1)
    top, guess = chances.max(1)
    right = (guess == given.labels).double()
    bins = (top * 15).ceil().long().clamp(1, 15)
    expected = sum(
        (bins == b).double().mean() * (right[bins == b].mean() - top[bins == b].mean()).abs()
        for b in bins.unique()
    )
    found = given.measured(Classification(metrics=("calibration_error",)))
    assert found["calibration_error"] == pytest.approx(float(expected), abs=1e-5)


def test_class_weights_count_in_the_training_loss_alone() -> None:
    given = logits(3)
    counts = torch.bincount(given.labels, minlength=3).double()
    weights = len(given.labels) / (3 * counts)
    own = -given.outputs.double().log_softmax(1)[torch.arange(700), given.labels]
    expected = (own * weights[given.labels]).sum() / weights[given.labels].sum()
    objective = Classification(class_weights="balanced")
    loss = objective.loss(given.data.train, given.data, 0.0)(given.outputs.double(), given.labels)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert given.measured(objective)["loss"] == pytest.approx(float(own.mean()), rel=1e-5)
    mine = Classification(class_weights=(1, 0, 2)).loss(given.data.train, given.data, 0.0)
    chosen = torch.tensor([1.0, 0.0, 2.0]).double()[given.labels]
    expected = (own * chosen).sum() / chosen.sum()
    assert float(mine(given.outputs.double().float(), given.labels)) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_labels_are_smoothed_by_spreading_a_share_over_all_classes() -> None:
    given = logits(4)
    spread = F.one_hot(given.labels, 4) * 0.8 + 0.2 / 4
    expected = -(spread * given.outputs.log_softmax(1)).sum(1).mean()
    loss = Classification().loss(given.data.train, given.data, 0.2)
    assert float(loss(given.outputs, given.labels)) == pytest.approx(float(expected), rel=1e-6)


def test_several_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (600, 5), generator=generator)
    outputs = torch.randn(600, 5, generator=generator) + labels
    found = Given(outputs, labels, 5).measured(MultiLabel())
    chances, truth = outputs.sigmoid().numpy(), labels.numpy()
    guess = (chances > 0.5).astype(int)
    expected = {
        "loss": F.binary_cross_entropy(outputs.sigmoid(), labels.float()).item(),
        "accuracy": (guess == truth).mean(),
        "exact_match": sk.accuracy_score(truth, guess),
        "macro_f1": sk.f1_score(truth, guess, average="macro"),
        "auroc": sk.roc_auc_score(truth, chances, average="macro"),
        "average_precision": sk.average_precision_score(truth, chances, average="macro"),
    }
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(600,), (600, 1), (600, 3)])
def test_regression(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randn(shape if shape != (600, 1) else (600,), generator=generator) * 3 + 1
    outputs = labels.reshape(shape) + torch.randn(shape, generator=generator)
    found = Given(outputs, labels).measured(Regression())
    truth, guess = labels.reshape(600, -1).numpy(), outputs.reshape(600, -1).numpy()
    expected = {
        "loss": sk.mean_squared_error(truth, guess),
        "rmse": sk.mean_squared_error(truth, guess) ** 0.5,
        "mae": sk.mean_absolute_error(truth, guess),
        "r2": 1 - ((truth - guess) ** 2).mean() / truth.var(0).mean(),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_an_objective_of_ones_own() -> None:
    given = Given(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0, 4.0]))
    worst = Measure(lambda outputs, labels: (outputs.squeeze(1) - labels).abs().max(), False)
    objective = CustomObjective(lambda o, y: F.l1_loss(o.squeeze(1), y), {"worst": worst})
    assert given.measured(objective) == {"loss": 1.5, "worst": 2.0}
    assert not objective.larger_is_better("worst")
    vector = CustomObjective(objective.of, {"each": Measure(lambda outputs, labels: outputs)})
    with pytest.raises(UsageError, match="the metric each must be one number"):
        given.measured(vector)


@pytest.mark.parametrize(
    ("objective", "names"),
    [
        (Classification(), "loss accuracy macro_f1 f1"),
        (Classification(metrics=("auroc", "accuracy")), "loss accuracy macro_f1 f1 auroc"),
        (MultiLabel(), "loss accuracy exact_match macro_f1 auroc average_precision"),
        (Regression(), "loss rmse mae r2"),
    ],
)
def test_each_names_its_metrics_and_their_direction(objective: Objective, names: str) -> None:
    assert objective.names == tuple(names.split())
    smaller = {"loss", "rmse", "mae", "calibration_error"}
    assert {n for n in objective.names if not objective.larger_is_better(n)} == smaller & set(objective.names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Classification(metrics=("aurco",)),
            "unknown metric of classification 'aurco'",
        ),
        (lambda: Classification(class_weights="even"), "unknown value of class_weights 'even'"),
        (lambda: Classification(class_weights=(-1.0, 1.0)), "must be numbers ≥ 0"),
        (lambda: Classification(class_weights=(0.0, 0.0)), "not all of them 0"),
    ],
)
def test_what_an_objective_cannot_be_is_refused(make: Callable[[], Objective], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize(
    ("objective", "labels", "smoothing", "message"),
    [
        (Classification(), torch.tensor([0.0, 1.0]), 0.0, "needs class numbers as labels, of type int64"),
        (Classification(), torch.tensor([0, 2]), 0.0, "labels range from 0 to 2, and there are 2 classes"),
        (Classification(), torch.tensor([-1, 1]), 0.0, "labels range from -1 to 1"),
        (
            Classification(class_weights=(1, 1, 1)),
            torch.tensor([0, 1]),
            0.0,
            "3 numbers for",
        ),
        (Regression(), torch.tensor([0, 1]), 0.0, "needs numbers as labels, of type float32"),
        (Regression(), torch.tensor([0.0, 1.0]), 0.1, "label_smoothing is for classes"),
        (MultiLabel(), torch.tensor([0, 1]), 0.0, "must be 0 or 1"),
        (MultiLabel(), torch.tensor([[0, 2]]), 0.0, "must be 0 or 1"),
        (CustomObjective(F.l1_loss), torch.tensor([0.0, 1.0]), 0.1, "put it into your own loss"),
    ],
)
def test_labels_that_an_objective_cannot_take_are_refused(
    objective: Objective, labels: Tensor, smoothing: float, message: str
) -> None:
    data = replace(logits(2).data, train=TensorSplit(torch.zeros(2, 2), labels))
    with pytest.raises(UsageError, match=message):
        objective.loss(data.train, data, smoothing)


def test_outputs_that_do_not_meet_the_labels_are_refused() -> None:
    given = Given(torch.zeros(4, 2), torch.zeros(4))
    with pytest.raises(UsageError, match=r"outputs \[4, 2\] must have the shape of labels \[4\]"):
        given.measured(Regression())


@pytest.mark.parametrize(
    ("one", "other", "larger", "expected"),
    [
        (2.0, 1.0, True, True),
        (2.0, 1.0, False, False),
        (1.0, 1.0, True, False),
        (float("nan"), 1.0, True, False),
        (1.0, float("nan"), False, True),
        (float("nan"), float("nan"), True, False),
    ],
)
def test_what_is_not_a_number_is_never_better(one: float, other: float, larger: bool, expected: Any) -> None:
    assert better(one, other, larger) == expected


def test_a_function_alone_is_a_measure_of_which_more_is_better() -> None:
    objective = CustomObjective(F.mse_loss, {"mean": lambda outputs, labels: outputs.mean()})
    assert objective.larger_is_better("mean")
    assert Given(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])).measured(objective)["mean"] == 1.5


def test_which_distributions_outputs_stand_for() -> None:
    outputs = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    classes = Classification().log_probabilities
    several = MultiLabel().log_probabilities
    own = CustomObjective(F.cross_entropy, distributions=lambda outputs: outputs).log_probabilities
    assert classes is not None
    assert several is not None
    assert own is not None
    assert torch.allclose(classes(outputs).exp(), outputs.exp() / outputs.exp().sum(1, keepdim=True))
    there = 1 / (1 + (-outputs).exp())
    assert torch.allclose(several(outputs).exp(), torch.stack([there, 1 - there], -1))
    assert own(outputs) is outputs
    for coarse in (classes, several):
        assert coarse(outputs.bfloat16()).dtype == torch.float32
    assert Regression().log_probabilities is None
    assert CustomObjective(F.mse_loss).log_probabilities is None
