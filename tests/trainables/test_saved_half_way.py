"""A worker that dies, or has notice, within an epoch of a trial by itself."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainables.test_trainable import EPOCHS, alone, config, process, reported, same, trial
from trainables import notice
from trainables.lanes.loop import Alone
from trainables.trainable import StackTrainable
from trainables.training.loop import Training


def dies_after(worker: StackTrainable, steps: int) -> None:
    """Trains until so many steps of an epoch are taken, when its process is killed."""
    taken = 0
    training = worker._loop.training("") if worker._loop else None
    assert isinstance(training, Training)
    step_on = training.method.step_on

    def killed(*given: Any) -> Any:
        nonlocal taken
        if taken == steps:
            raise SystemExit
        taken += 1
        return step_on(*given)

    training.method.step_on = killed  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        worker.step()


@pytest.mark.parametrize("every", [1e-9, None])
def test_a_process_that_is_killed_within_an_epoch_costs_what_came_after_the_last_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float | None
) -> None:
    one = trial(1.0, batch_size=40)
    worker = process(tmp_path, one)
    monkeypatch.setattr("time.time", lambda: 900.0)
    reported(worker, 1)
    worker._checkpoint_seconds = every
    monkeypatch.setattr("time.time", lambda: 1000.0)
    dies_after(worker, 3)
    again = process(tmp_path, one)
    again.reset_config(config(tmp_path, [one], [1]) | {"lives": [[(900.0, 1060.0, 1)]]})
    under_way = again._resume(one).under_way
    assert (0 if under_way is None else under_way.steps) == (0 if every is None else 3)
    found = reported(again, EPOCHS)[one.key]
    assert [metrics.pop("lost_seconds", 0) for metrics in found] == [0, 60 if every else 160, 0]
    assert same(found, alone(one, tmp_path), tolerance=0)


def test_a_process_with_notice_saves_its_trial_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trial(1.0, batch_size=40)
    worker = process(tmp_path, one)
    reported(worker, 1)
    told = iter([False, False, True])
    monkeypatch.setattr(notice, "given", lambda: next(told))
    with pytest.raises(notice.PreemptedError) as left:
        worker.step()
    assert left.value.further
    monkeypatch.setattr(notice, "given", lambda: True)
    with pytest.raises(notice.PreemptedError) as nothing:
        process(tmp_path, one)._train(Alone(worker._trainings[one.key]))
    assert not nothing.value.further
    monkeypatch.undo()
    again = process(tmp_path, one)
    under_way = again._resume(one).under_way
    assert under_way is not None
    assert under_way.steps == 2
    assert same(reported(again, EPOCHS)[one.key], alone(one, tmp_path), tolerance=0)
