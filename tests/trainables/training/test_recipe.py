"""The recipe of a training, against loops written by hand with torch's optimizers."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack import UsageError
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit
from trainables.recipe.augmentation import crop_flip
from trainables.recipe.measured import STOPPED_EARLY
from trainables.tensors import load_whole, save_atomically
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPOCHS, EXAMPLES, BATCH = 4, 200, 20
"""Ten batches an epoch."""
FULL = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "warmup": 0.2,
    "clip_norm": 0.5,
    "label_smoothing": 0.1,
    "accumulate": 2,
}


@pytest.fixture(scope="module")
def data() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def trial(method: str = "standard", seed: int = 0, **training: Any) -> Trial:
    settings = {"epochs": EPOCHS, "train_size": EXAMPLES, "batch_size": BATCH, **training}
    return Trial.make("digits-lenet5", method, {}, TrainingSettings(**settings), seed, "checksum")


def run(training: Training, epochs: int = EPOCHS) -> Training:
    while len(training.history) < epochs and not training.finished:
        training.epoch()
    return training


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def batches(training: Training, epochs: int) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """The batches of each epoch, as the seed shuffles them."""
    shuffling = torch.Generator().manual_seed(training.trial.seed_for("shuffling"))
    for _ in range(epochs):
        order = torch.randperm(EXAMPLES, generator=shuffling)
        yield [training.train.take(part) for part in order.split(BATCH)]  # type: ignore[misc]


def test_sgd_with_everything_is_the_loop_written_by_hand(data: Data) -> None:
    """20 updates: 4 epochs of 10 batches, two to an update; of these 4 warm up."""
    training = Training(trial(**FULL), data)
    model = Training(trial(**FULL), data).model
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    model.train()
    update = 0
    for epoch in batches(training, EPOCHS):
        for first, second in zip(epoch[::2], epoch[1::2], strict=True):
            rate = (update + 1) / 4 if update < 4 else (1 + math.cos(math.pi * (update - 4) / 16)) / 2
            optimizer.param_groups[0]["lr"] = 0.1 * rate
            optimizer.zero_grad()
            for inputs, labels in (first, second):
                (F.cross_entropy(model(inputs), labels, label_smoothing=0.1) / 2).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            update += 1
    assert update == 20
    run(training)
    torch.testing.assert_close(weights(training.model), weights(model), rtol=1e-4, atol=1e-6)
    assert [metrics["train_steps"] for metrics in training.history] == [5] * EPOCHS


def test_adamw_without_decay_on_biases_is_the_loop_written_by_hand(data: Data) -> None:
    recipe = {"optimizer": "adamw", "learning_rate": 1e-2, "weight_decay": 0.5, "weight_decay_on": "weights"}
    training = Training(trial(**recipe, epochs=2), data)
    model = Training(trial(**recipe, epochs=2), data).model
    named = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for name, p in named.items() if name.endswith("weight")], "weight_decay": 0.5},
            {"params": [p for name, p in named.items() if name.endswith("bias")], "weight_decay": 0.0},
        ],
        lr=1e-2,
    )
    model.train()
    for epoch in batches(training, 2):
        for inputs, labels in epoch:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    run(training)
    torch.testing.assert_close(weights(training.model), weights(model), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "recipe",
    [
        FULL,
        {"optimizer": "sgd", "schedule": "one-cycle", "average": "ema", "average_decay": 0.9},
        {"optimizer": "adamw", "schedule": "step", "warmup": 0.3, "average": "swa", "average_start": 0.25},
        {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "linear", "augment": "crop-flip"},
        {"optimizer": "radam", "patience": 1},
        {"optimizer": "nadam", "augment": "trivial-augment"},
        {"optimizer": "adagrad", "warmup": 0.9},
    ],
)
@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_killed_training_goes_on_in_the_middle_of_its_schedule_bit_for_bit(
    data: Data, tmp_path: Path, recipe: dict[str, Any], stop_after: int
) -> None:
    killed = run(Training(trial("fgm", **recipe), data), stop_after)
    save_atomically(killed.state_dict(), tmp_path / "checkpoint.pt")
    resumed = Training(trial("fgm", **recipe), data)
    resumed.load_state_dict(load_whole(tmp_path / "checkpoint.pt", torch.device("cpu")))
    alone = run(Training(trial("fgm", **recipe), data))
    assert torch.equal(weights(run(resumed).model), weights(alone.model))
    timeless = [
        [{n: v for n, v in m.items() if "seconds" not in n} for m in t.history] for t in (resumed, alone)
    ]
    assert timeless[0] == timeless[1]
    best = [t.result()["model"] for t in (resumed, alone)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def test_what_is_validated_and_kept_is_the_average(data: Data) -> None:
    training = run(Training(trial(average="ema", average_decay=0.99), data), 1)
    by_hand = run(Training(trial(), data), 0)
    optimizer = torch.optim.Adam(by_hand.model.parameters(), 1e-3)
    by_hand.model.train()
    average: Tensor | None = None
    for inputs, labels in next(batches(by_hand, 1)):
        optimizer.zero_grad()
        F.cross_entropy(by_hand.model(inputs), labels).backward()
        optimizer.step()
        now = weights(by_hand.model)
        average = now if average is None else 0.99 * average + 0.01 * now
    assert average is not None
    kept = torch.cat([value.flatten() for value in training.best_model.values()])
    torch.testing.assert_close(kept, average, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(kept, weights(training.model), atol=1e-5)


def test_patience_ends_a_trial_which_is_then_tested(data: Data) -> None:
    """A rate of 0 makes no epoch better than the first."""
    training = run(Training(trial(learning_rate=0.0, patience=2, epochs=9), data), 9)
    assert len(training.history) == 3
    assert training.finished
    assert training.history[-1][STOPPED_EARLY] == 1
    assert "test_accuracy" in training.history[-1]
    assert not any(STOPPED_EARLY in metrics for metrics in training.history[:-1])


def test_a_training_that_uses_its_budget_up_is_not_called_stopped(data: Data) -> None:
    training = run(Training(trial(learning_rate=0.0, patience=3), data))
    assert len(training.history) == EPOCHS
    assert STOPPED_EARLY not in training.history[-1]
    assert "test_accuracy" in training.history[-1]


def _seen(training: Training) -> list[Tensor]:
    """What the model is shown in the first pass of each step of an epoch."""
    found: list[Tensor] = []
    training.method.step_on = lambda model, batches, optimizer, step=training.method.step_on: (  # type: ignore[method-assign]
        found.extend(inputs.clone() for inputs, _ in batches),
        step(model, batches, optimizer),
    )[1]
    training.epoch()
    return found


def test_all_methods_of_a_seed_are_shown_the_same_augmented_images(data: Data) -> None:
    plain, attacked = (_seen(Training(trial(m, augment="crop-flip"), data)) for m in ("standard", "pgd"))
    other = _seen(Training(trial("standard", seed=1, augment="crop-flip"), data))
    clean = _seen(Training(trial("standard"), data))
    assert all(torch.equal(a, b) for a, b in zip(plain, attacked, strict=True))
    assert not torch.equal(plain[0], other[0])
    assert not torch.equal(plain[0], clean[0])


def test_validation_is_never_augmented(data: Data) -> None:
    still = {"learning_rate": 0.0, "epochs": 2}
    (first, second), (clean, _) = (
        run(Training(trial(**still, augment=name), data)).history for name in ("crop-flip", "none")
    )
    assert first["valid_loss"] == second["valid_loss"] == clean["valid_loss"]


def test_a_method_that_makes_its_own_updates_cannot_accumulate(data: Data) -> None:
    with pytest.raises(UsageError, match=r"freeat makes its own updates.*training\.accumulate"):
        Training(trial("freeat", accumulate=2), data)


@pytest.mark.parametrize(
    ("hyperparameters", "training", "steps"),
    [
        ({}, {}, 40),
        ({}, {"accumulate": 4}, 12),
        ({"rounds": 2.5}, {"accumulate": 4}, 28),
        ({"rounds": 3, "rounds_start": 0.5}, {}, 80),
        ({}, {"last_batch": "drop", "batch_size": 30}, 24),
    ],
)
def test_the_steps_of_a_schedule_are_those_that_are_taken(
    data: Data, hyperparameters: dict[str, Any], training: dict[str, Any], steps: int
) -> None:
    settings = TrainingSettings(
        **{"epochs": EPOCHS, "train_size": EXAMPLES, "batch_size": BATCH, "schedule": "linear", **training}
    )
    found = Trial.make("digits-lenet5", "standard", hyperparameters, settings, 0, "checksum")
    assert settings.steps_of(found.settings, EXAMPLES) == steps
    done = run(Training(found, data))
    assert sum(metrics["train_steps"] for metrics in done.history) == steps
    assert done.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_a_residual_network_with_its_recipe_is_the_loop_written_by_hand() -> None:
    """Initialisation, shuffling and augmentation follow from the seed."""
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (96, 3, 32, 32), dtype=torch.uint8, generator=drawn)
    split = ImageSplit(images, torch.randint(10, (96,), generator=drawn))
    workload = workload_named("cifar10-resnet20")
    settings = replace(workload.training, epochs=2, batch_size=32)
    sizes = {"depth": 8, "width": 4}
    trial = Trial.make(workload.name, "standard", {}, settings, 3, "checksum", model=sizes)
    data = Data(split, split, split, 10, "checksum")
    losses = [m["train_loss"] for m in run(Training(trial, data), 2).history]

    with torch.random.fork_rng():
        torch.manual_seed(trial.seed_for("default"))
        model = trial.architecture.build(data).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        shuffling = torch.Generator().manual_seed(trial.seed_for("shuffling"))
        by_hand = []
        for epoch in range(2):
            total = 0.0
            for step, rows in enumerate(torch.randperm(96, generator=shuffling).split(32)):
                rate = (1 + math.cos(math.pi * (3 * epoch + step) / 6)) / 2
                optimizer.param_groups[0]["lr"] = 0.1 * rate
                loss = F.cross_entropy(model(crop_flip(split.images[rows] / 255)), split.labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) / 3
            by_hand.append(total)
    assert losses == pytest.approx(by_hand, rel=1e-5)


def test_a_selecting_metric_that_is_no_number_ends_the_trial(data: Data) -> None:
    training = Training(trial(), data)
    valid = {"loss": 0.1, "accuracy": math.nan}
    with pytest.raises(DivergedError, match="validation accuracy became nan in epoch 1"):
        training.conclude({"train_loss": 0.1, "train_steps": 1}, valid, 0.1, 0.1)
