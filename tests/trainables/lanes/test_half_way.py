"""Trials that are saved amid an epoch, each by itself, and then trained as lanes of one stack."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainables import test_trainable
from tests.trainables.lanes.test_loop import Exact
from tests.trainables.test_saved_half_way import dies_after
from tests.trainables.test_trainable import EPOCHS, alone, process, reported, same, trial
from trainables import trainable
from trainables.data.dataset import Data
from trainables.lanes.loop import Lanes
from trainables.trainable import DIVERGED, METRICS
from trainables.training.loop import Training
from trainables.trial import Trial


@pytest.fixture(autouse=True)
def in_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """In single precision the processor decides how far a lane is from its trial alone: see `test_loop`."""

    def exact(one: Trial, data: Data, *more: Any) -> Training:
        splits = {name: Exact(**vars(getattr(data, name))) for name in ("train", "valid", "test")}
        training = Training(one, replace(data, **splits), *more)
        training.model.double()
        return training

    for module in (trainable, test_trainable):
        monkeypatch.setattr(module, "Training", exact)


def half_way(folder: Path, *epsilons: float, epochs: int = 1) -> None:
    """Leaves each trial alone: so many epochs and two steps are saved, and a third step is lost."""
    for epsilon in epsilons:
        worker = process(folder, trial(epsilon, batch_size=40))
        reported(worker, epochs)
        worker._checkpoint_seconds = 1e-9
        dies_after(worker, 2)


@pytest.mark.parametrize(
    ("left", "epochs"), [((1.0,), 1), ((2.0,), 2), ((1.0, 2.0), 1), ((1.0, 2.0, 5.0), 2)], ids=str
)
def test_lanes_go_on_where_each_trial_was(tmp_path: Path, left: tuple[float, ...], epochs: int) -> None:
    """Some or all were half-way through an epoch, the others have not begun."""
    half_way(tmp_path, *left, epochs=epochs)
    trials = [trial(epsilon, batch_size=40) for epsilon in (1.0, 2.0, 5.0)]
    found = reported(process(tmp_path, *trials), 2 * EPOCHS)
    for one in trials:
        assert same(found[one.key][:EPOCHS], alone(one, tmp_path), tolerance=1e-8)


def test_an_epoch_that_is_ended_is_saved_as_a_whole_one(tmp_path: Path) -> None:
    half_way(tmp_path, 1.0)
    one, other = trial(1.0, batch_size=40), trial(2.0, batch_size=40)
    worker = process(tmp_path, one, other)
    worker.step()
    resumed = process(tmp_path, one)._resume(one)
    assert resumed.under_way is None
    assert len(resumed.history) == 2


def test_who_diverges_in_the_rest_of_an_epoch_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_way(tmp_path, 1.0)
    one, other = trial(1.0, batch_size=40), trial(2.0, batch_size=40)
    worker = process(tmp_path, one, other)
    broken = worker._resume(one)
    for parameter in broken.model.parameters():
        parameter.detach().fill_(float("nan"))
    monkeypatch.setattr(
        worker, "_resume", lambda t, resume=worker._resume: broken if t.key == one.key else resume(t)
    )
    first = worker.step()
    assert [key for key, _ in first[DIVERGED]] == [one.key]
    rest = reported(worker, EPOCHS - len([key for key, *_ in first[METRICS] if key == other.key]))
    history = [m for key, m, _ in first[METRICS] if key == other.key] + rest[other.key]
    assert same(history[:EPOCHS], alone(other, tmp_path), tolerance=1e-8)


def test_lanes_refuse_an_epoch_that_is_half_way(tmp_path: Path) -> None:
    half_way(tmp_path, 1.0)
    worker = process(tmp_path, trial(1.0, batch_size=40), trial(2.0, batch_size=40))
    trainings = [worker._resume(one) for one in worker._trials.values()]
    with pytest.raises(ValueError, match="lanes train whole epochs"):
        Lanes(trainings)
