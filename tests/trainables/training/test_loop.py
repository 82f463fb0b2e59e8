"""The loop: resumable, a function of the key, and blind to test data until the end."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropattack import UsageError
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.recipe.metrics import evaluate
from trainables.tensors import save_atomically
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPOCHS = 3
DROPATTACK = {"targets": "input+conv1.w", "k": 2}


def trial(method: str = "dropattack", seed: int = 0, **training: Any) -> Trial:
    hyperparameters = DROPATTACK if method == "dropattack" else {}
    settings = TrainingSettings(**{"epochs": EPOCHS, "train_size": 256, **training})
    return Trial.make("digits-lenet5", method, hyperparameters, settings, seed, "checksum")


@pytest.fixture
def data() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def results(training: Training) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    while not training.finished:
        training.epoch()
    timeless = [{k: v for k, v in m.items() if "seconds" not in k} for m in training.history]
    return timeless, training.model.state_dict()


def assert_equal_bits(one: Training, other: Training) -> None:
    (history, weights), (other_history, other_weights) = results(one), results(other)
    assert history == other_history
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


@pytest.mark.parametrize("stop_after", range(EPOCHS))
def test_resumed_training_gives_the_bits_of_one_left_alone(
    data: Data, tmp_path: Path, stop_after: int
) -> None:
    stopped = Training(trial(), data)
    for _ in range(stop_after):
        stopped.epoch()
    save_atomically(stopped.state_dict(), tmp_path / "checkpoint.pt")
    torch.manual_seed(stop_after)  # what the process drew in between must not matter
    resumed = Training(trial(), data)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert_equal_bits(resumed, Training(trial(), data))


def test_a_checkpoint_of_another_kind_of_device_goes_on_with_generators_of_its_own(data: Data) -> None:
    one = trial(epochs=3)
    first = Training(one, data)
    first.epoch()
    elsewhere = first.state_dict() | {"device": "cuda", "masks": torch.zeros(16, dtype=torch.uint8)}
    runs = [Training(one, data) for _ in range(3)]
    for run, state in zip(runs, (elsewhere, elsewhere, first.state_dict()), strict=True):
        run.load_state_dict(copy.deepcopy(state))
        run.epoch()
    again, other, undisturbed = (run.model.state_dict()["fc3.weight"] for run in runs)
    assert torch.equal(again, other)
    assert not torch.equal(again, undisturbed), "these drew other masks"


def test_methods_are_told_how_far_the_training_is(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(trial("standard"), data)
    told: list[float] = []
    monkeypatch.setattr(training.method, "begin_epoch", told.append)
    results(training)
    assert told == [epoch / EPOCHS for epoch in range(EPOCHS)]


def test_a_checkpoint_of_another_trial_is_refused(data: Data) -> None:
    state = Training(trial(), data).state_dict()
    with pytest.raises(ValueError, match="is of trial"):
        Training(trial(seed=1), data).load_state_dict(state)


def test_the_same_key_gives_the_same_bits_whatever_ran_before(data: Data) -> None:
    first = Training(trial(), data)
    results(first)
    torch.manual_seed(99)
    results(Training(trial("standard"), data))
    assert_equal_bits(Training(trial(), data), first)


def test_training_leaves_the_default_generator_alone(data: Data) -> None:
    torch.manual_seed(5)
    undisturbed = torch.rand(3)
    torch.manual_seed(5)
    Training(trial(), data).epoch()
    assert torch.equal(torch.rand(3), undisturbed)


def test_trials_of_one_seed_are_pairs(data: Data) -> None:
    """Two methods of one seed see the same initial weights, training subset and order of batches."""
    one, other = Training(trial("standard"), data), Training(trial("dropattack"), data)
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    )
    for (inputs, labels), (other_inputs, other_labels) in zip(
        one.train.batches(64, one.shuffling), other.train.batches(64, other.shuffling), strict=True
    ):
        assert torch.equal(inputs, other_inputs)
        assert torch.equal(labels, other_labels)
    third = Training(trial("standard", seed=1), data)
    assert not torch.equal(one.model.conv1.weight, third.model.conv1.weight)
    assert not torch.equal(one.train.labels, third.train.labels)


class PoisonedSplit(ImageSplit):
    """A split that nobody may look at."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Any]:
        raise AssertionError("test data were looked at")

    def subset(self, indices: Tensor) -> ImageSplit:
        raise AssertionError("test data were looked at")

    def to(self, device: torch.device) -> "PoisonedSplit":
        return self


def test_test_data_are_looked_at_in_the_last_epoch_only(data: Data) -> None:
    poisoned = replace(data, test=PoisonedSplit(data.test.images, data.test.labels))
    training = Training(trial(), poisoned)
    for _ in range(EPOCHS - 1):
        assert not any(name.startswith("test_") for name in training.epoch())
    with pytest.raises(AssertionError, match="looked at"):
        training.epoch()


def test_the_best_model_by_validation_is_the_one_tested(data: Data) -> None:
    training = Training(trial(epochs=4, learning_rate=0.02), data)
    states, accuracies = [], []
    while not training.finished:
        metrics = training.epoch()
        accuracies.append(metrics["valid_accuracy"])
        states.append({name: value.clone() for name, value in training.model.state_dict().items()})
    best = accuracies.index(max(accuracies))
    assert metrics["best_epoch"] == best + 1
    training.model.load_state_dict(states[best])
    assert metrics["test_accuracy"] == evaluate(training.model, data.test, 10)["accuracy"]
    assert training.history[-1] == metrics


def test_a_training_without_a_test_leaves_the_test_split_unseen(data: Data) -> None:
    """It is the same training: the metrics that choose are equal bit for bit."""
    poisoned = replace(data, test=PoisonedSplit(data.test.images, data.test.labels))
    tested, untested = Training(trial(), data), Training(trial(test=False), poisoned)
    while not tested.finished:
        own = {n: v for n, v in tested.epoch().items() if not n.startswith("test_") and "seconds" not in n}
        assert {n: v for n, v in untested.epoch().items() if "seconds" not in n} == own
    assert untested.finished
    assert untested.result()["test"] == {}
    assert untested.result()["right"] is None
    assert tested.trial.identity.configuration == untested.trial.identity.configuration
    assert tested.trial.key != untested.trial.key


def test_a_result_says_which_test_examples_are_recognised(data: Data) -> None:
    training = Training(trial(), data)
    results(training)
    result = training.result()
    training.model.load_state_dict(result["model"])
    with torch.no_grad():
        outputs = training.model.eval()(data.test.images.double().div(255).float())
    assert result["right"].tolist() == (outputs.argmax(1) == data.test.labels).tolist()
    again = Training(trial(), data)
    again.load_state_dict(training.state_dict())
    assert torch.equal(again.result()["right"], result["right"])


def test_a_loss_that_is_not_a_number_ends_the_training(data: Data) -> None:
    training = Training(trial("standard"), data)
    with torch.no_grad():
        training.model.fc3.bias[0] = float("nan")
    with pytest.raises(DivergedError, match="nan in epoch 1"):
        training.epoch()


def test_dropout_draws_from_the_trial_alone(data: Data) -> None:
    """With dropout in the model, noise drawn by others between epochs changes nothing."""

    def with_dropout(training: Training) -> Training:
        training.model.fc2 = nn.Sequential(nn.Dropout(0.5), training.model.fc2)
        training._updates.optimizer = torch.optim.Adam(training.model.parameters(), lr=1e-3)
        return training

    undisturbed = with_dropout(Training(trial("standard"), data))
    disturbed = with_dropout(Training(trial("standard"), data))
    without = Training(trial("standard"), data)
    for training in (undisturbed, without):
        results(training)
    for _ in range(EPOCHS):
        torch.rand(7)
        disturbed.epoch()
    assert_equal_bits(disturbed, undisturbed)
    assert undisturbed.history[0]["train_loss"] != without.history[0]["train_loss"]


def test_evaluation_equals_one_pass_over_the_whole_split(data: Data) -> None:
    model = Training(trial(), data).model.train()
    found = evaluate(model, data.valid, 10)
    assert model.training
    with torch.no_grad():
        outputs = model.eval()(data.valid.images.double().div(255).float())
    expected = nn.functional.cross_entropy(outputs.double(), data.valid.labels).item()
    assert found["loss"] == pytest.approx(expected, rel=1e-6)
    assert found["accuracy"] == (outputs.argmax(1) == data.valid.labels).double().mean().item()


def test_more_training_examples_than_there_are_is_refused(data: Data) -> None:
    with pytest.raises(UsageError, match="train_size 5000 is more than the 1197"):
        Training(trial(train_size=5000), data)


@pytest.mark.parametrize(
    ("method", "values"), [("freeat", {}), ("apb", {"h": 20, "eta": 0.01}), ("dropen", {"k": 1})]
)
def test_a_method_that_keeps_state_resumes_with_it(
    data: Data, tmp_path: Path, method: str, values: dict[str, Any]
) -> None:
    plain = trial(method, epochs=2)
    whole = replace(plain, hyperparameters={**plain.hyperparameters, **values})
    stopped = Training(whole, data)
    stopped.epoch()
    assert stopped.method.state_dict()
    save_atomically(stopped.state_dict(), tmp_path / "checkpoint.pt")
    resumed = Training(whole, data)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert_equal_bits(resumed, Training(whole, data))


def test_equal_passes_go_through_the_data_as_often_as_the_attack_has_passes(data: Data) -> None:
    settings = TrainingSettings(epochs=1, train_size=256)
    control = DROPATTACK | {"control": "equal-passes"}
    longer = Training(Trial.make("digits-lenet5", "dropattack", control, settings, 0, "checksum"), data)
    plain = Training(trial("standard", epochs=5), data)
    assert longer.trial.passes == 5
    assert longer.epoch()["epoch"] == 1
    weights = longer.model.state_dict()
    means = [plain.epoch()["train_loss"] for _ in range(5)]
    assert all(torch.equal(weights[name], value) for name, value in plain.model.state_dict().items())
    assert longer.history[0]["train_loss"] == pytest.approx(sum(means) / 5)


def test_what_steps_log_is_averaged_over_the_epoch(data: Data) -> None:
    metrics = Training(trial(epochs=1), data).epoch()
    assert metrics["train_skipped"] == 0
    assert 0.1 < metrics["train_relative_size"] < 10
