"""A training that is left between two steps of an epoch goes on as if nobody had left it, bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dropattack.registry import registered
from trainables.data.dataset import Data
from trainables.tensors import load_whole, save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

NAME = "digits-lenet5"


class LeftError(Exception):
    """The process was killed here."""


def made(
    method: str, values: dict[str, Any], model: dict[str, Any] | None = None, **training: Any
) -> tuple[Trial, Data]:
    settings = TrainingSettings(**{"epochs": 2, "train_size": 80, "batch_size": 16, **training})
    one = Trial.make(NAME, method, values, settings, 0, "checksum", model=model)
    return one, workload_named(NAME).load(Path("unused"))


def left_at(step: int, training: Training, path: Path) -> bool:
    """Trains until so many steps of all are taken, then saves and leaves; says whether it could be left."""
    steps = 0

    def between() -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            save_atomically(training.state_dict(), path)
            raise LeftError

    try:
        while not training.finished:
            training.epoch(between)
    except LeftError:
        return True
    return False


def history(training: Training) -> list[dict[str, float]]:
    return [{n: v for n, v in m.items() if "seconds" not in n} for m in training.history]


def trained(training: Training) -> Training:
    while not training.finished:
        training.epoch()
    return training


def same_bits(one: Training, other: Training) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    same = all(torch.equal(ours["model"][n], theirs["model"][n]) for n in theirs["model"])
    best = all(torch.equal(ours["best_model"][n], theirs["best_model"][n]) for n in theirs["best_model"])
    drawn = all(torch.equal(ours[n], theirs[n]) for n in ("shuffling", "masks"))
    return same and best and drawn and history(one) == history(other)


def goes_on(one: Trial, data: Data, step: int, path: Path) -> Training:
    assert left_at(step, Training(one, data), path)
    torch.manual_seed(step)  # what the process drew in between must not matter
    resumed = Training(one, data)
    resumed.load_state_dict(load_whole(path))
    return trained(resumed)


@pytest.mark.parametrize("method", sorted(registered()))
def test_every_method_can_be_left_within_an_epoch(tmp_path: Path, method: str) -> None:
    one, data = made(method, {}, train_size=48)
    assert same_bits(goes_on(one, data, 2, tmp_path / "left.pt"), trained(Training(one, data)))


CASES: dict[str, dict[str, Any]] = {
    "dropout": {"method": "dropattack", "model": {"dropout": 0.5}},
    "accumulated": {"method": "dropattack", "accumulate": 2},
    "merged": {"method": "dropattack", "last_batch": "merge", "train_size": 70},
    "averaged": {"method": "standard", "average": "ema", "optimizer": "sgd", "momentum": 0.9},
    "scheduled": {"method": "standard", "schedule": "cosine", "warmup": 0.3},
    "augmented": {"method": "standard", "augment": "crop"},
    "adversarial": {"method": "standard", "examples": "both"},
    "rounds": {"method": "standard", "values": {"rounds": 2.5}, "last_batch": "drop", "train_size": 40},
    "state": {"method": "dropen", "values": {"k": 1, "memory": 3}},
    "interval": {"method": "dropattack", "values": {"interval": 3}},
}


@pytest.mark.parametrize("step", [5, 6])
@pytest.mark.parametrize("case", CASES)
def test_whatever_the_recipe_the_rest_is_that_of_an_undisturbed_training(
    tmp_path: Path, case: str, step: int
) -> None:
    one, data = made(**{"values": {}, **CASES[case]})
    assert same_bits(goes_on(one, data, step, tmp_path / "left.pt"), trained(Training(one, data)))


def test_what_gathers_an_update_over_several_steps_is_left_at_an_epochs_end_only(tmp_path: Path) -> None:
    one, data = made("standard", {"rounds": 2, "updates": "same"})
    assert not left_at(1, Training(one, data), tmp_path / "left.pt")


def test_a_training_that_is_left_goes_on_in_its_own_process_too(tmp_path: Path) -> None:
    one, data = made("dropattack", {}, {"dropout": 0.5})
    training = Training(one, data)
    assert left_at(7, training, tmp_path / "left.pt")
    assert same_bits(trained(training), trained(Training(one, data)))


def test_the_seconds_of_an_epoch_are_those_before_and_after_it_was_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, data = made("standard", {}, epochs=1)
    now = 100.0

    def step() -> None:
        nonlocal now
        now += 1

    monkeypatch.setattr("time.perf_counter", lambda: now)
    training = Training(one, data)
    path = tmp_path / "left.pt"

    def leaves() -> None:
        step()
        if now == 103:
            save_atomically(training.state_dict(), path)
            raise LeftError

    with pytest.raises(LeftError):
        training.epoch(leaves)
    now = 5000.0
    resumed = Training(one, data)
    resumed.load_state_dict(load_whole(path))
    assert resumed.epoch(step)["train_seconds"] == 5.0
