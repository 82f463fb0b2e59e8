"""AutoAttack in full on trained models: against the library, our strongest attacks, and masked gradients."""

from pathlib import Path
from typing import Any

import pytest
import torchattacks
from torch import Tensor, nn

from dropattack.robustness import ZERO_GRADIENT, MaskingVerdict, attacking, masking_verdict, parse_grid
from trainables.data.dataset import Data
from trainables.training.loop import Training
from trainables.training.under_attack import Evaluation, attacked_part
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

pytestmark = pytest.mark.slow

EPSILON = 0.1
MADRY = {"epsilon": EPSILON, "k": 5, "alpha": 0.04, "clean": False, "random_start": True, "norm": "linf"}


@pytest.fixture(scope="module")
def data() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def trained(data: Data, method: str, settings: dict[str, Any], **recipe: Any) -> Training:
    asked = TrainingSettings(**{"epochs": 12, **recipe})
    training = Training(Trial.make("digits-lenet5", method, settings, asked, 0, "checksum"), data)
    while not training.finished:
        training.epoch()
    training.model.load_state_dict(training.best_model)
    return training


@pytest.fixture(scope="module")
def robust(data: Data) -> Training:
    """Trained by PGD with a random start."""
    return trained(data, "pgd", MADRY)


def accuracies(training: Training, data: Data, grid: str, model: nn.Module | None = None) -> dict[str, float]:
    evaluation = Evaluation.of(training.trial, data)
    return evaluation.metrics(model or training.model, data.test, parse_grid(grid))


def verdict(metrics: dict[str, float]) -> MaskingVerdict:
    return masking_verdict({"accuracy": 0.9, **metrics})


def test_robust_accuracy_equals_the_librarys_run_alone(data: Data, robust: Training) -> None:
    """Its four attacks with the published budgets, from other random starts."""
    (case,) = parse_grid(f"autoattack-of-60:{EPSILON}")
    part = attacked_part(data.test, case)
    images, labels = next(part.batches(len(part)))
    given = {"eps": EPSILON, "seed": 1}
    with attacking(robust.model):
        library = torchattacks.MultiAttack(
            [
                torchattacks.APGD(robust.model, steps=100, **given),
                torchattacks.APGDT(robust.model, steps=100, n_classes=10, **given),
                torchattacks.FAB(robust.model, steps=100, n_classes=10, multi_targeted=True, **given),
                torchattacks.Square(robust.model, n_queries=5000, resc_schedule=False, **given),
            ]
        )
        right = int((robust.model(library(images, labels)).argmax(1) == labels).sum())
    ours = accuracies(robust, data, f"autoattack-of-60:{EPSILON}")[case.metric]
    assert abs(60 * ours - right) <= 1, "but for an image that a random start decides"
    assert 0 < right < 60


def test_no_attack_of_ours_leaves_less_and_nothing_is_masked(data: Data, robust: Training) -> None:
    grid = "+".join(f"{name}-of-60:{EPSILON}" for name in ("pgd-50x5", "margin-50x5", "autoattack"))
    metrics = accuracies(robust, data, grid)
    least = min(metrics[f"{name}-of-60_{EPSILON}_accuracy"] for name in ("pgd-50x5", "margin-50x5"))
    assert 0 < metrics[f"autoattack-of-60_{EPSILON}_accuracy"] <= least
    assert verdict(metrics).masked is False


class Quantised(nn.Module):
    """A trained model whose inputs are rounded to eight grey values."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.inner((images * 7).round() / 7)
        return logits


def test_a_quantised_input_is_found_out(data: Data, robust: Training) -> None:
    metrics = accuracies(robust, data, f"autoattack-of-60:{EPSILON}", Quantised(robust.model))
    found = verdict(metrics)
    assert metrics[ZERO_GRADIENT] == 1
    assert "have no gradient at all" in str(found)
    assert "Square fools" in str(found)


def test_a_model_trained_by_fgsm_at_a_large_epsilon_is_found_out(data: Data) -> None:
    fooled = trained(data, "fgsm", {"epsilon": 0.3, "clean": False}, epochs=50, learning_rate=0.003)
    metrics = accuracies(fooled, data, "fgsm-of-60:0.3+pgd-20-of-60:0.3+autoattack-of-60:0.3")
    assert "one step is misled at ε 0.3" in str(verdict(metrics))
    assert metrics["autoattack-of-60_0.3_accuracy"] == 0
