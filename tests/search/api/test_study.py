"""Ask and tell: a loop of another library, killed half-way, and what is told wrong."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search import Study, Sweep
from search.records.record import Record, State
from search.records.store import Store
from tests.search.api.partial_fit import SWEEP, drive
from tests.search.simulation import table


def _records(store: Path, name: str = "partial-fit") -> list[Record]:
    place = Store(store)
    return list(place.journal(place.recorded(name)).records)


def _open(store: Path, trained_by: str = "perceptron 1", **changes: Any) -> Study:
    return Study.open(Sweep(**SWEEP | changes), store, trained_by=trained_by)


@pytest.mark.heavy
def test_another_librarys_loop_is_killed_half_way_and_ends_as_undisturbed(tmp_path: Path) -> None:
    with _open(tmp_path / "whole") as study:
        whole = drive(study)
        assert study.done
    for tells in (4, 3):
        program = [sys.executable, "-m", "tests.search.api.partial_fit", str(tmp_path / "killed"), str(tells)]
        assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    assert sum(len(record.epochs) for record in _records(tmp_path / "killed")) in (5, 6, 7)
    with _open(tmp_path / "killed") as study:
        drive(study)
    records = _records(tmp_path / "killed")
    assert table(records) == table(_records(tmp_path / "whole"))
    assert sorted((r.key, int(m["epoch"])) for r in records for m in r.epochs) == sorted(whole)
    result = study.result
    assert len(result.trials) == len(records)
    assert result.verdict.lines()
    with _open(tmp_path / "killed") as study:
        assert study.ask() is None


GRID: dict[str, Any] = {
    "name": "told",
    "stages": [{"name": "grid", "methods": {"standard": {}, "fgm": {"epsilon": [0.1, 0.2]}}}],
    "seeds": [0],
}


def test_a_trial_that_was_left_is_asked_for_again_with_what_was_told(tmp_path: Path) -> None:
    with _open(tmp_path, **GRID) as study:
        left = study.ask()
        assert left is not None
        assert study.tell(left, epoch=1, metrics={"accuracy": 0.5})
        left.checkpoint.write_text("state")
    with _open(tmp_path, **GRID) as study:
        again = study.ask()
        assert again is not None
        assert (again.key, again.told, again.checkpoint.read_text()) == (left.key, 1, "state")
        assert study.tell(again, epoch=1, metrics={"accuracy": 0.5}), "the same once more is taken silently"
        assert study.tell(again, epoch=2, metrics={"accuracy": 0.6, "test_accuracy": 0.4, "train_loss": 1})
        assert not study.tell(again, epoch=3, metrics={"accuracy": 0.7})
        assert not again.checkpoint.exists()
        (record,) = _records(tmp_path, "told")
        assert record.state is State.COMPLETE
        assert [m["valid_accuracy"] for m in record.epochs] == [0.5, 0.6, 0.7]
        assert (record.epochs[1]["test_accuracy"], record.epochs[1]["train_loss"]) == (0.4, 1)


def test_an_epoch_that_comes_again_with_other_metrics_replaces_what_was_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _open(tmp_path, **GRID) as study:
        trial = study.ask()
        assert trial is not None
        for epoch in (1, 2):
            study.tell(trial, epoch=epoch, metrics={"accuracy": 0.5})
        assert study.tell(trial, epoch=1, metrics={"accuracy": 0.4})
        assert "epoch 1 came again with another valid_accuracy" in caplog.text
        assert trial.told == 1
        assert study.tell(trial, epoch=2, metrics={"accuracy": 0.6})
        assert not study.tell(trial, epoch=3, metrics={"accuracy": 0.7})
    (record,) = _records(tmp_path, "told")
    assert (record.state, [m["valid_accuracy"] for m in record.epochs]) == (State.COMPLETE, [0.4, 0.6, 0.7])


def test_trials_end_early_fail_and_diverge(tmp_path: Path) -> None:
    with _open(tmp_path, **GRID) as study:
        trials = [study.ask(), study.ask(), study.ask()]
        early, failed, diverged = (trial for trial in trials if trial is not None)
        assert study.ask() is None
        assert not study.done, "three are being trained"
        assert not study.tell(early, epoch=1, metrics={"accuracy": 0.5}, last=True)
        study.fail(failed, "no luck")
        assert not study.tell(diverged, epoch=1, metrics={"accuracy": float("nan")})
        assert study.done
    records = {record.key: record for record in _records(tmp_path, "told")}
    assert records[early.key].state is State.COMPLETE
    assert (records[failed.key].state, records[failed.key].reason) == (State.FAILED, "no luck")
    assert records[diverged.key].reason == "DivergedError: valid_accuracy is nan after epoch 1"
    again = Study.open(Sweep(**SWEEP | GRID), tmp_path, trained_by="perceptron 1", retry_failed=True)
    with again:
        retried = again.ask()
        assert retried is not None
        assert retried.key == failed.key
        assert again.ask() is None, "what diverged would diverge again"


@pytest.mark.parametrize(
    ("epoch", "metrics", "message"),
    [
        (1, {"loss": 0.5}, "the sweep selects by 'accuracy'; tell it too"),
        (1, {"accuracy": "0.5"}, "valid_accuracy is '0.5', not a number"),
        (1, {"accuracy": True}, "valid_accuracy is True, not a number"),
        (2, {"accuracy": 0.5}, "epoch 2 of trial .* cannot be told: 0 of 3 are recorded"),
        (0, {"accuracy": 0.5}, "epoch 0 of trial .* cannot be told"),
    ],
)
def test_what_is_told_wrong_is_a_line_and_recorded_nowhere(
    tmp_path: Path, epoch: int, metrics: dict[str, Any], message: str
) -> None:
    with _open(tmp_path, **GRID) as study:
        trial = study.ask()
        assert trial is not None
        with pytest.raises(UsageError, match=message):
            study.tell(trial, epoch=epoch, metrics=metrics)
        assert trial.told == 0
        study.fail(trial, "enough")
        with pytest.raises(UsageError, match="is not being trained"):
            study.tell(trial, epoch=1, metrics={"accuracy": 0.5})


def test_a_study_is_open_once(tmp_path: Path) -> None:
    with (
        _open(tmp_path, **GRID),
        pytest.raises(UsageError, match="is in use by another run"),
    ):
        _open(tmp_path, **GRID)
    with pytest.raises(UsageError, match="trained_by: name what trains"):
        _open(tmp_path, trained_by="", **GRID)
    _open(tmp_path, **GRID).close()


def test_what_another_trainer_recorded_stays_apart(tmp_path: Path) -> None:
    """Also in another sweep of the store: nobody is given results of a training that was not theirs."""
    with _open(tmp_path, **GRID) as study:
        while (trial := study.ask()) is not None:
            study.tell(trial, epoch=1, metrics={"accuracy": 0.5}, last=True)
    for trained_by, name, left in (
        ("perceptron 1", "other", 0),
        ("perceptron 2", "told", 3),
        ("x", "third", 3),
    ):
        with _open(tmp_path, trained_by, **GRID | {"name": name}) as study:
            asked = 0
            while (trial := study.ask()) is not None:
                study.fail(trial, "seen")
                asked += 1
            assert asked == left, "the same trainer's results are reused by any sweep"
