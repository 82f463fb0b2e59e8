"""Trials whose checkpoint is lost begin anew; what comes out otherwise then replaces what is recorded."""

from pathlib import Path

import pytest

from search.records.record import Record, State
from tests.search.simulation import Driver, KilledError, engine, sweep, train


def test_a_result_that_comes_again_and_differs_replaces_what_followed(tmp_path: Path) -> None:
    definition = sweep(stages=[{"name": "baseline", "methods": {"standard": {}}}], limits={"passes": 12})
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
    """Checkpoints were lost, and the new machine rounds otherwise; ASHA's rungs follow what is recorded."""

    class Elsewhere(Driver):
        def result(self, record: Record, epoch: int) -> dict[str, float]:
            return train(record, epoch) | {"valid_accuracy": train(record, epoch)["valid_accuracy"] - 0.015}

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


def test_a_rung_forgets_what_a_trial_reported_before_it_began_anew(tmp_path: Path) -> None:
    stages = [{"name": "grid", "scheduler": {"kind": "asha", "grace_period": 1, "reduction_factor": 2}}]
    stages[0]["methods"] = {"dropattack": {"epsilon": [0.1, 1.0, 2.0, 3.0]}}
    tested = engine(tmp_path, sweep(stages=stages, seeds=[0]))
    first, second = tested.next(), tested.next()
    assert first is not None
    assert second is not None
    assert tested.report(first.key, {"epoch": 1, "valid_accuracy": 0.9, "seconds": 1.0})
    assert tested.report(first.key, {"epoch": 1, "valid_accuracy": 0.1, "seconds": 1.0})
    assert tested.report(second.key, {"epoch": 1, "valid_accuracy": 0.5, "seconds": 1.0})
