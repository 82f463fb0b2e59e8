"""Trials whose checkpoint is lost begin anew; what comes out otherwise then replaces what is recorded."""

from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from search.engine.engine import Engine
from search.records.record import Record, State
from tests.search.simulation import Driver, KilledError, engine, sweep, train


class Elsewhere(Driver):
    """On a machine that computes otherwise."""

    @override
    def result(self, record: Record, epoch: int) -> dict[str, float]:
        return train(record, epoch) | {"valid_accuracy": train(record, epoch)["valid_accuracy"] - 0.015}


def test_a_result_that_comes_again_and_differs_replaces_what_followed(tmp_path: Path) -> None:
    definition = sweep(stages=[{"name": "baseline", "methods": {"standard": {}}}])
    tested = engine(tmp_path, definition)
    record = tested.next()
    assert record is not None
    for epoch, accuracy in ((1, 0.5), (2, 0.55)):
        assert tested.report(record.key, {"epoch": epoch, "valid_accuracy": accuracy, "seconds": 1.0})
    assert tested.report(record.key, {"epoch": 1, "valid_accuracy": 0.5, "seconds": 2.0}), "timing may differ"
    assert len(record.epochs) == 2
    assert tested.report(record.key, {"epoch": 1, "valid_accuracy": 0.6, "seconds": 1.0})
    assert [m["valid_accuracy"] for m in record.epochs] == [0.6]
    assert record.state is State.RUNNING


@pytest.mark.parametrize("kill", [2, 9, 25, 50, 90])
def test_trials_that_begin_anew_on_another_machine_hold_its_results_alone(tmp_path: Path, kill: int) -> None:
    """Checkpoints were lost, and the new machine rounds otherwise."""
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep()), slots=3).run(kill)
    left = {r.key for r in engine(tmp_path, sweep()).records if not r.finished and r.epochs}
    assert left
    Elsewhere(engine(tmp_path, sweep()), slots=3).run()
    ended = engine(tmp_path, sweep()).records
    assert all(record.finished and record.state is not State.FAILED for record in ended)
    elsewhere = Elsewhere(engine(tmp_path / "none", sweep()))
    for record in ended:
        here = [train(record, n)["valid_accuracy"] for n in range(1, len(record.epochs) + 1)]
        there = [elsewhere.result(record, n)["valid_accuracy"] for n in range(1, len(record.epochs) + 1)]
        found = [metrics["valid_accuracy"] for metrics in record.epochs]
        assert found == there if record.key in left else found in (here, there)


ASHA: dict[str, Any] = {"kind": "asha", "grace_period": 2, "reduction_factor": 2}


def told(tested: Engine, record: Record, *accuracies: float) -> bool:
    """Reports a trial's epochs from the first on; returns whether it goes on."""
    for epoch, accuracy in enumerate(accuracies, 1):
        goes_on = tested.report(record.key, {"epoch": epoch, "valid_accuracy": accuracy, "seconds": 1.0})
    return goes_on


def begun(folder: Path, **changes: Any) -> tuple[Engine, list[Record]]:
    """An engine with four trials in training, under ASHA with a first rung at the second epoch."""
    stage = {"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0, 2.0, 3.0]}}}
    tested = engine(folder, sweep(stages=[stage | {"scheduler": ASHA}], seeds=[0], **changes))
    records = [tested.next() for _ in range(4)]
    return tested, [record for record in records if record is not None]


def test_a_rung_forgets_what_a_trial_reported_before_it_began_anew(tmp_path: Path) -> None:
    tested, (first, second, *_) = begun(tmp_path)
    assert told(tested, first, 0.5, 0.9)
    assert told(tested, first, 0.05, 0.1)
    assert told(tested, second, 0.5, 0.5), "the better of the two"


def test_a_rung_keeps_what_other_trials_reported(tmp_path: Path) -> None:
    tested, (first, second, third, _) = begun(tmp_path)
    assert told(tested, first, 0.5, 0.9)
    assert told(tested, second, 0.5, 0.95)
    assert told(tested, second, 0.1, 0.2) is False, "the worse of the two that reached the rung"
    assert tested.report(first.key, {"epoch": 3, "valid_accuracy": 0.0, "seconds": 1.0}), "between two rungs"
    assert told(tested, third, 0.5, 0.3) is False


def test_a_limit_counts_what_is_recorded(tmp_path: Path) -> None:
    """As it will count it when the sweep is run again."""
    tested, (first, *_) = begun(tmp_path, limits={"gpu_hours": 3.5 / 3600}, resources={"gpus": 1})
    told(tested, first, 0.5, 0.6)
    told(tested, first, 0.4)
    assert not tested.limit, "one second is recorded, though three were trained"
    told(tested, first, 0.4, 0.6, 0.6, 0.6)
    assert tested.limit


def test_an_answer_from_another_sweep_replaces_epochs_that_came_out_otherwise(tmp_path: Path) -> None:
    """Half-way it was moved; another sweep of the new machine trained the same trial meanwhile."""
    stages = [{"name": "baseline", "methods": {"standard": {}}}]
    definition = sweep(stages=stages, seeds=[0])
    Elsewhere(engine(tmp_path / "other", definition)).run()
    (answer,) = engine(tmp_path / "other", definition).records
    with pytest.raises(KilledError):
        Driver(engine(tmp_path / "own", definition)).run(2)
    again = engine(tmp_path / "own", definition, elsewhere={answer.key: ("other", answer)})
    assert again.next() is None
    (record,) = engine(tmp_path / "own", definition).records
    assert (record.state, record.reused_from) == (State.COMPLETE, "other/baseline")
    assert [m["valid_accuracy"] for m in record.epochs] == [m["valid_accuracy"] for m in answer.epochs]


def test_an_epoch_that_cannot_be_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested, (first, *_) = begun(tmp_path)
    told(tested, first, 0.5)
    for written in (False, True):
        with monkeypatch.context() as patched:
            if not written:
                patched.setattr("search.records.optuna_log.OptunaLog.note", _full)
                with pytest.raises(OSError, match="full"):
                    told(tested, first, 0.4)
            else:
                told(tested, first, 0.4)
        expected = [0.4] if written else [0.5]
        for records in (tested.records, engine(tmp_path, tested.sweep).records):
            assert [m["valid_accuracy"] for m in records[0].epochs] == expected


def _full(*_: object) -> None:
    raise OSError("the disk is full")


def test_a_torn_write_leaves_a_trial_as_it_once_was(tmp_path: Path) -> None:
    tested, (first, *_) = begun(tmp_path)
    told(tested, first, 0.5, 0.6, 0.7, 0.8)
    before = (tmp_path / "journal.log").read_bytes()
    told(tested, first, 0.1)
    added = (tmp_path / "journal.log").read_bytes()[len(before) :]
    seen = []
    for end in [0, *(place + 1 for place, byte in enumerate(added) if byte == ord(b"\n"))]:
        (tmp_path / "journal.log").write_bytes(before + added[:end])
        record = engine(tmp_path, tested.sweep).records[0]
        seen.append([m["valid_accuracy"] for m in record.epochs])
    whole = [0.5, 0.6, 0.7, 0.8]
    assert all(state == whole[: len(state)] for state in seen[:-1] if state != [0.1])
    assert seen[-1] == [0.1]
