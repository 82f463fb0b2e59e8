"""The loop counts what schedules and controls declare: batches, updates and passes of whole trainings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainables.data.dataset import Data
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPOCHS, EXAMPLES = 5, 200
"""Of 40 examples each, so that an epoch has five batches."""


@pytest.fixture(scope="module")
def data() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def trial(method: str, values: Mapping[str, Any], **training: Any) -> Trial:
    settings = {"epochs": EPOCHS, "train_size": EXAMPLES, "batch_size": 40, **training}
    return Trial.make("digits-lenet5", method, values, TrainingSettings(**settings), 0, "checksum")


def counted(training: Training, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Examples of each backward pass, and updates, of a training that is run to its end."""
    passes: list[int] = []
    updates: list[int] = []

    def follow(_: nn.Module, __: Any, outputs: torch.Tensor) -> None:
        if outputs.requires_grad:
            torch.autograd.graph.register_multi_grad_hook([outputs], lambda _: passes.append(len(outputs)))

    training.model.register_forward_hook(follow)
    training.optimizer.register_step_post_hook(lambda *_: updates.append(1))
    while not training.finished:
        training.epoch()
    return passes, updates


CASES: list[tuple[str, dict[str, Any], float, int]] = [
    ("dropattack", {"targets": "input+conv1.w", "start": 0.6}, 5 + 2 * 2, 25),
    ("dropattack", {"targets": "input+conv1.w", "interval": 5}, 5 + 2 * 1, 25),
    ("sam", {"start": 0.8, "interval": 5}, 5 + 0.2, 25),
    ("freeat", {"m": 3, "start": 0.4}, 2 + 3 * 3, 10 + 3 * 5 * 3),
    ("dropattack", {"targets": "input+conv1.w", "control": "equal-passes"}, 5 * 3, 75),
    ("dropattack", {"targets": "input+conv1.w", "control": "equal-passes", "start": 0.6}, 5 + 2 * 2, 45),
    ("dropattack", {"control": "equal-passes", "interval": 5}, 5 * 1.2, 30),
    ("dropattack", {"targets": "input+conv1.w", "control": "same-updates"}, 5 * 3, 25),
    ("dropattack", {"targets": "input+conv1.w", "control": "same-updates", "start": 0.6}, 5 + 2 * 2, 25),
    ("standard", {"rounds": 1.4}, 5 * 1.4, 35),
    ("dropattack", {"control": "same-updates", "interval": 5}, 5 * 1.2, 25),
    ("standard", {"rounds": 4, "updates": "same"}, 5 * 4, 25),
]


@pytest.mark.parametrize(("method", "values", "passes", "updates"), CASES)
def test_passes_and_updates_are_as_declared(
    data: Data,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    values: dict[str, Any],
    passes: float,
    updates: int,
) -> None:
    """Worked out by hand: passes a batch in five epochs, and updates in all."""
    given = trial(method, values)
    backwards, steps = counted(Training(given, data), monkeypatch)
    assert sum(backwards) / EXAMPLES == pytest.approx(passes)
    assert given.passes_in_all == pytest.approx(passes)
    assert len(steps) == updates


@pytest.mark.parametrize(("interval", "batches", "more"), [(12, 6, 1), (12, 18, 2), (6, 3, 1)])
def test_half_a_batch_more_is_one_batch_for_loop_and_method_alike(
    data: Data, monkeypatch: pytest.MonkeyPatch, interval: int, batches: int, more: int
) -> None:
    """1 + 1/12 rounds of six batches are 6.5, though a twelfth as a float leaves a little less beside 1."""
    values = {"control": "same-updates", "interval": interval}
    given = trial("dropattack", values, epochs=2, train_size=20 * batches, batch_size=20)
    backwards, steps = counted(Training(given, data), monkeypatch)
    assert (len(backwards), len(steps)) == (2 * (batches + more), 2 * batches)


def test_passes_of_each_epoch_add_up(data: Data) -> None:
    given = trial("dropattack", {"targets": "input+conv1.w", "start": 0.5, "interval": 2})
    each = [given.passes_in(epoch) for epoch in range(1, EPOCHS + 1)]
    assert each == [1, 1, 2, 2, 2]
    assert [given.passes_until(epoch) for epoch in range(EPOCHS + 1)] == [0, 1, 2, 4, 6, 8]
    assert given.passes == pytest.approx(8 / 5)
    attacked = trial("dropattack", {"k": 2, "start": 0.6}, examples="both")
    assert [attacked.passes_in(epoch) for epoch in (1, 5)] == [3, 7], "the batch is twice as large, and made"


def assert_resumes(given: Trial, data: Data, stop_after: int, path: Path) -> None:
    """A training that is stopped and goes on from its file ends as one that is not, bit for bit."""
    whole, stopped = Training(given, data), Training(given, data)
    for _ in range(stop_after):
        stopped.epoch()
    torch.save(stopped.state_dict(), path)
    resumed = Training(given, data)
    resumed.load_state_dict(torch.load(path, weights_only=True))
    for training in (whole, resumed):
        while not training.finished:
            training.epoch()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_resumed_training_attacks_in_the_same_steps(data: Data, tmp_path: Path, stop_after: int) -> None:
    """Five batches an epoch and every third step: no epoch begins where another does."""
    given = trial("dropattack", {"targets": "input+conv1.w", "interval": 3})
    assert_resumes(given, data, stop_after, tmp_path / "state.pt")


@pytest.mark.parametrize(
    "values",
    [
        {"p": 0},
        {"control": "equal-passes"},
        {"control": "same-updates", "interval": 5},
        {"interval": 3, "dropout": "same"},
    ],
    ids=str,
)
def test_a_resumed_training_draws_the_same_dropout(
    data: Data, tmp_path: Path, values: dict[str, Any]
) -> None:
    """Controls that are standard training included: what the model draws follows from the step."""
    settings = TrainingSettings(epochs=3, train_size=EXAMPLES, batch_size=40)
    options = {"model": {"dropout": 0.5}}
    given = Trial.make("digits-lenet5", "dropattack", values, settings, 0, "checksum", **options)
    assert_resumes(given, data, 1, tmp_path / "state.pt")


def test_dropout_is_that_of_the_seed_whatever_the_method_draws(data: Data) -> None:
    """FGM draws nothing and DropAttack masks: they are one training under two names, dropout included."""
    found = []
    for method, values in (
        ("fgm", {"epsilon": 0.5}),
        ("dropattack", {"epsilon": 0.5, "p": 1, "norm": "sample"}),
    ):
        options = {"model": {"dropout": 0.5}}
        settings = TrainingSettings(epochs=1, train_size=EXAMPLES)
        given = Trial.make("digits-lenet5", method, values, settings, 0, "checksum", **options)
        training = Training(given, data)
        training.epoch()
        found.append((given.key, training.model.state_dict()))
    assert found[0][0] == found[1][0]
    for name, value in found[0][1].items():
        assert torch.allclose(value, found[1][1][name], rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize(
    ("values", "budget", "epochs"),
    [
        ({"targets": "input+conv1.w"}, 30, 10),
        ({"targets": "input+conv1.w", "start": 0.8}, 30, 20),
        ({"targets": "input+conv1.w", "interval": 4}, 30, 20),
        ({"k": 50}, 30, 1),
    ],
)
def test_a_budget_of_passes_buys_epochs(values: dict[str, Any], budget: int, epochs: int) -> None:
    """Of 20 epochs the last 4 cost three passes: 16 + 12 = 28; of 21 there are 5, and 31."""
    settings = trial("dropattack", values).settings
    recipe = TrainingSettings(epochs=budget).within(budget, settings)
    assert recipe.epochs == epochs
    if epochs > 1:
        assert recipe.passes_of(settings) <= budget
        more = TrainingSettings(epochs=epochs + 1)
        assert more.passes_of(settings) > budget
