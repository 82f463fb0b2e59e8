"""Metrics against scikit-learn's."""

import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score
from torch import nn

from trainables.data.splits import ImageSplit
from trainables.recipe.metrics import evaluate, measure, recalls, scores


@pytest.fixture
def predictions() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 3, (50,), generator=generator), torch.randint(0, 2, (50,), generator=generator)


def test_scores_equal_those_of_scikit_learn(predictions: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Class 2 is never predicted, so that its F1 is zero."""
    true, predicted = (values.numpy() for values in predictions)
    confusion = torch.from_numpy(confusion_matrix(true, predicted))
    found = scores(confusion, positive=1) | recalls(confusion)
    assert found["accuracy"] == pytest.approx(accuracy_score(true, predicted))
    assert found["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro"))
    per_class = f1_score(true, predicted, average=None)
    assert found["f1"] == pytest.approx(per_class[1])
    for label, recall in enumerate(recall_score(true, predicted, average=None)):
        assert found[f"recall_{label}"] == pytest.approx(recall)


def test_a_class_that_does_not_occur_scores_zero() -> None:
    found = scores(torch.tensor([[3, 0, 0], [0, 2, 0], [0, 0, 0]]))
    assert found == {"accuracy": 1.0, "macro_f1": pytest.approx(2 / 3)}
    true = [0, 0, 0, 1, 1]
    every = f1_score(true, true, labels=[0, 1, 2], average="macro", zero_division=0)
    assert (every, f1_score(true, true, average="macro")) == (found["macro_f1"], 1.0)


def test_measuring_counts_every_example_in_eval_mode_across_batches() -> None:
    """A model whose outputs are the first pixels, and noise wherever it is left in training mode."""
    images = torch.randint(0, 256, (601, 1, 2, 2), generator=torch.Generator().manual_seed(1))
    split = ImageSplit(images.to(torch.uint8), images.flatten(1)[:, :3].argmin(1))
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 3, bias=False))
    with torch.no_grad():
        model[2].weight.copy_(torch.eye(3, 4))
    loss, confusion, right = measure(model, split, classes=3)
    outputs = images.flatten(1)[:, :3].double() / 255
    assert confusion.tolist() == confusion_matrix(split.labels, outputs.argmax(1)).tolist()
    assert right.tolist() == (outputs.argmax(1) == split.labels).tolist()
    assert loss == pytest.approx(nn.functional.cross_entropy(outputs, split.labels).item(), rel=1e-5)
    assert model.training
    assert evaluate(model, split, 3)["loss"] == loss
