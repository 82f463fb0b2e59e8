"""Training on adversarial examples and testing under attack, as parts of a trial."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack import UsageError
from dropattack.robustness import PARTS, adversarial_examples, parse_grid, parts
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.recipe.examples import training_batch
from trainables.tensors import save_atomically
from trainables.training import under_attack
from trainables.training.loop import Training
from trainables.training.under_attack import Evaluation, attacked_part
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

GRID = "fgsm:0.1+pgd-3:0.1+noise-2:0.1"


def trial(method: str = "standard", seed: int = 0, **training: Any) -> Trial:
    settings = TrainingSettings(**{"epochs": 2, "train_size": 256, **training})
    return Trial.make("digits-lenet5", method, {}, settings, seed, "checksum")


@pytest.fixture(scope="module")
def data() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def finished(training: Training) -> Training:
    while not training.finished:
        training.epoch()
    return training


class Modes(nn.Module):
    """A model with dropout and batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.drop(self.norm(x)))
        return logits


def by_hand(model: nn.Module, inputs: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    """FGSM in eval mode, written out."""
    model.eval()
    variable = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(variable), labels), variable)
    model.train()
    return (inputs + epsilon * gradient.sign()).clamp(0, 1)


def test_the_three_scenarios_by_hand() -> None:
    torch.manual_seed(0)
    model = Modes().train()
    inputs, labels = torch.rand(5, 3), torch.tensor([0, 1, 1, 0, 1])
    expected = by_hand(model, inputs, labels, 0.3)
    running = model.norm.running_mean.clone()
    state = torch.get_rng_state()
    assert training_batch("clean", model, (inputs, labels), 0.3)[0] is inputs
    attacked, same = training_batch("adversarial", model, (inputs, labels), 0.3)
    assert torch.allclose(attacked, expected)
    assert torch.equal(same, labels)
    both, twice = training_batch("both", model, (inputs, labels), 0.3)
    assert torch.allclose(both, torch.cat([inputs, expected]))
    assert torch.equal(twice, torch.cat([labels, labels]))
    assert model.training
    assert torch.equal(model.norm.running_mean, running)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("examples", ["adversarial", "both"])
def test_a_trial_trains_on_its_scenario(data: Data, examples: str) -> None:
    """One epoch equals a plain loop with FGSM made anew at each step."""
    training = Training(trial(epochs=1, examples=examples, examples_epsilon=0.2), data)
    reference = Training(trial(epochs=1), data)
    model, optimizer = reference.model, reference.optimizer
    losses, count = 0.0, 0
    for inputs, labels in reference.train.batches(128, reference.shuffling):
        attacked = by_hand(model, inputs, labels, 0.2)
        if examples == "both":
            attacked, labels = torch.cat([inputs, attacked]), torch.cat([labels, labels])
        optimizer.zero_grad()
        loss = F.cross_entropy(model(attacked), labels)
        loss.backward()
        optimizer.step()
        losses, count = losses + loss.item() * len(labels), count + len(labels)
    metrics = training.epoch()
    assert metrics["train_loss"] == pytest.approx(losses / count, rel=1e-5)
    assert metrics["train_steps"] == 2
    for name, value in training.model.state_dict().items():
        assert torch.allclose(value, model.state_dict()[name], atol=1e-6)


def test_examples_are_made_for_every_method_and_counted(data: Data) -> None:
    assert trial("standard").passes == 1
    assert trial("standard", examples="adversarial").passes == 2
    assert trial("standard", examples="both").passes == 3
    assert trial("fgsm", examples="both").passes == 5
    assert finished(Training(trial("fgsm", epochs=1, examples="both"), data)).history[0]["train_loss"] > 0


def test_robustness_is_measured_once_at_the_end(data: Data) -> None:
    training = Training(trial(robustness=GRID), data)
    first = training.epoch()
    assert not any("fgsm" in name or "zero_gradient" in name for name in first)
    last = training.epoch()
    for case in training.settings.cases:
        assert 0 <= last[f"test_{case.metric}"] <= 1
        assert 0 <= last[f"valid_{case.metric}"] <= 1
    assert last["test_zero_gradient"] == 0
    model = training.model
    model.load_state_dict(training.best_model)
    attacked = adversarial_examples("fgsm", model, data.test.images.float() / 255, data.test.labels, 0.1)
    right = model(attacked).argmax(1) == data.test.labels
    assert last["test_fgsm_0.1_accuracy"] == pytest.approx(right.float().mean().item(), abs=1e-6)
    assert training.result()["test"]["test_fgsm_0.1_accuracy"] == last["test_fgsm_0.1_accuracy"]


def test_robustness_does_not_change_what_is_trained(data: Data) -> None:
    plain, tested = Training(trial(), data), Training(trial(robustness=GRID), data)
    finished(plain)
    finished(tested)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, tested.model.state_dict()[name])
    assert tested.history[-1]["test_accuracy"] == plain.history[-1]["test_accuracy"]


def test_an_attack_gives_the_same_whatever_else_is_measured(data: Data) -> None:
    alone = finished(Training(trial(robustness="pgd-3:0.1"), data)).history[-1]
    among = finished(Training(trial(robustness=GRID), data)).history[-1]
    assert alone["test_pgd-3_0.1_accuracy"] == among["test_pgd-3_0.1_accuracy"]


def test_a_part_of_the_examples_is_attacked_where_the_case_says_so(data: Data) -> None:
    training = finished(Training(trial(robustness="fgsm-of-40:0.1+margin-of-100000:0.1"), data))
    case, every = training.settings.cases
    part, same = attacked_part(data.test, case), attacked_part(data.test, case)
    assert len(part) == 40
    assert torch.equal(part.labels, same.labels)
    assert part.labels.bincount(minlength=10).min() >= 3, "stratified"
    assert len(attacked_part(data.test, every)) == len(data.test)
    training.model.load_state_dict(training.best_model)
    whole = Evaluation.of(training.trial, data).accuracy(training.model, part, replace(case, examples=0))
    assert training.history[-1]["test_fgsm-of-40_0.1_accuracy"] == whole


def test_accuracy_under_attack_chooses_the_epoch(data: Data) -> None:
    settings = {"epochs": 4, "learning_rate": 0.01, "robustness": GRID, "best_by": "fgsm_0.1_accuracy"}
    history = finished(Training(trial(**settings), data)).history
    values = [metrics["valid_fgsm_0.1_accuracy"] for metrics in history]
    assert history[-1]["best_epoch"] == 1 + values.index(max(values))


class Poisoned(ImageSplit):
    """A split that nobody may look at."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Any]:
        raise AssertionError("test data were looked at")

    def to(self, device: torch.device) -> "Poisoned":
        return self


def test_an_attack_that_chooses_sees_no_test_data(data: Data) -> None:
    poisoned = replace(data, test=Poisoned(data.test.images, data.test.labels))
    training = Training(trial(robustness=GRID, best_by="fgsm_0.1_accuracy"), poisoned)
    assert "valid_fgsm_0.1_accuracy" in training.epoch()
    with pytest.raises(AssertionError, match="looked at"):
        training.epoch()


@pytest.mark.parametrize("stop_after", [0, 1])
def test_a_resumed_training_gives_the_bits_of_one_left_alone(
    data: Data, tmp_path: Path, stop_after: int
) -> None:
    asked = trial("dropattack", examples="both", robustness=GRID, best_by="pgd-3_0.1_accuracy")
    stopped, left_alone = Training(asked, data), finished(Training(asked, data))
    for _ in range(stop_after):
        stopped.epoch()
    save_atomically(stopped.state_dict(), tmp_path / "checkpoint.pt")
    torch.manual_seed(stop_after)
    resumed = Training(asked, data)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    finished(resumed)
    timeless = [
        [{name: value for name, value in m.items() if "seconds" not in name} for m in training.history]
        for training in (resumed, left_alone)
    ]
    assert timeless[0] == timeless[1]
    for name, value in left_alone.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name])


def test_equal_robustness_has_one_key() -> None:
    assert trial(robustness="pgd-3:.10+fgsm:.1").key == trial(robustness="fgsm:0.1 + pgd-3:0.1").key
    assert trial(robustness="fgsm:0.1").key != trial().key


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"examples": "adversarial"}, "needs continuous inputs, and imdb-lstm has texts"),
        ({"robustness": "square-5:0.1"}, "square-5 needs continuous inputs"),
        ({"robustness": "autoattack:0.1"}, "autoattack needs continuous inputs"),
    ],
)
def test_what_texts_cannot_do_is_refused(training: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Trial.make("imdb-lstm", "standard", {}, TrainingSettings(**training), 0, "checksum")


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"examples": "all"}, "unknown value of examples 'all'"),
        ({"robustness": "transfer-fgsm:0.1"}, "`dropattack robustness` adds it"),
        ({"robustness": "fgms:0.1"}, "unknown attack 'fgms'; did you mean 'fgm' or 'fgsm'"),
        ({"robustness": "autoatack:0.1"}, "did you mean 'autoattack'"),
        ({"robustness": "autoattack-20:0.1"}, "lacks a part or has one too many"),
        (
            {"robustness": "autoattack-of-0:0.1"},
            "attacks no example; write how many, as in",
        ),
        ({"robustness": "autoattack:0"}, "must be a number above 0"),
        (
            {"robustness": "autoattack:8"},
            "exceeds 1, the whole range of the inputs; for 8 of 255 set 0.0314",
        ),
        ({"robustness": "pgd-5:0.1,1.01"}, "ε 1.01 of pgd-5 exceeds"),
        ({"robustness": "transfer-autoattack:0.1"}, "attacks the model that is tested; leave transfer- out"),
        ({"best_by": "fgsm_0.1_accuracy"}, "unknown metric of digits-lenet5 'fgsm_0.1_accuracy'"),
    ],
)
def test_wrong_settings_are_refused(training: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Trial.make("digits-lenet5", "standard", {}, TrainingSettings(**training), 0, "checksum")


def test_a_text_trial_is_tested_on_its_embedding(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        texts = [f"{'good fine' if i % 2 else 'bad poor'} word{i % 7} {name}{i},{i % 2}" for i in range(40)]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *texts]))
    workload = workload_named("texts-bigru")
    settings = TrainingSettings(epochs=2, robustness="fgm:1,100+pgd-l2-3:1", best_by="fgm_1_accuracy")
    asked = Trial.make("texts-bigru", "standard", {}, settings, 0, workload.checksum(tmp_path))
    last = finished(Training(asked, workload.load(tmp_path))).history[-1]
    assert last["test_fgm_100_accuracy"] <= last["test_fgm_1_accuracy"] <= last["test_accuracy"]
    assert last["test_zero_gradient"] == 0


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoAttack that tries a little."""
    monkeypatch.setattr(parts, "STANDARD", parts.Budget(steps=5, targets=2, queries=40))


def test_autoattack_tests_a_split_attack_by_attack(data: Data, brief: None) -> None:
    few = replace(data, valid=data.valid.subset(torch.arange(10)), test=data.test.subset(torch.arange(80)))
    grid = "autoattack-of-60:0.02+pgd-5-of-60:0.02"
    training = finished(Training(trial(learning_rate=0.005, robustness=grid), few))
    last = training.history[-1]
    left = [last[f"test_autoattack-of-60_0.02_left_by_{name}"] for name in PARTS[:-1]]
    left.append(last["test_autoattack-of-60_0.02_accuracy"])
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] <= last["test_pgd-5-of-60_0.02_accuracy"] < last["test_accuracy"]
    model, (case, _) = training.model, training.settings.cases
    model.load_state_dict(training.best_model)
    lines: list[str] = []
    again = Evaluation.of(training.trial, data).metrics(model, few.test, [case], told=lines.append)
    assert again[case.metric] == left[-1], "it draws the same whatever was measured before"
    assert lines[-1] == f"autoattack-of-60 ε 0.02: {round(60 * left[-1])} of 60 right after square"
    assert len(lines) == 5


def test_autoattack_goes_on_in_smaller_batches_where_memory_is_full(
    data: Data, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def small(evaluate: Any, device: torch.device, on_a_gpu: int) -> Any:
        sizes.append(on_a_gpu)
        return evaluate(7)

    training = finished(Training(trial(), data))
    evaluation = Evaluation.of(training.trial, data)
    (case,) = parse_grid("autoattack-of-30:0.03")
    whole = evaluation.accuracy(training.model, data.test, case)
    monkeypatch.setattr(under_attack, "in_batches", small)
    assert abs(evaluation.accuracy(training.model, data.test, case) - whole) <= 2 / 30, "other draws"
    assert sizes
