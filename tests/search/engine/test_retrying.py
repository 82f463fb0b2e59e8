"""Trials that failed, tried again: one final record for each trial, and the failure stays in the journal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from search.definition.sweep import Limits, Sweep
from search.engine.engine import Engine
from search.engine.retrying import failed_from_outside
from search.records.journal import Journal
from search.records.reading import read_records
from search.records.record import Record, State
from search.records.salvage import salvage
from tests.search.simulation import Driver, KilledError, engine, sweep, table, train

GRID = sweep(
    stages=[
        {"name": "baseline", "methods": {"standard": {}}},
        {"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}, "standard": {}}},
    ],
    training={"epochs": 3},
    seeds=[0],
)


class Failing(Driver):
    """Some trials fail, by their place in the order in which they begin, after an epoch of other values."""

    def __init__(self, engine: Engine, reasons: Mapping[int, str], slots: int = 1) -> None:
        super().__init__(engine, slots)
        self.reasons = dict(reasons)
        self.begun: list[str] = []

    def run(self, *_: Any) -> None:  # type: ignore[override]  # it takes no further arguments
        def fails(key: str, epoch: int) -> None:
            if key not in self.begun:
                self.begun.append(key)
            reason = self.reasons.get(self.begun.index(key))
            if reason and epoch == 2:
                raise _FailedError(key, reason)

        while not self.engine.done:
            try:
                super().run(before=fails)
            except _FailedError as failed:
                self.engine.fail(failed.key, failed.reason)
                del self.running[failed.key]


class _FailedError(Exception):
    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key, self.reason = key, reason


def retried(folder: Path, definition: Sweep) -> tuple[Engine, int]:
    """An engine on a journal whose failed trials are tried again, and how many those are."""
    journal = Journal(folder / "journal.log", definition.select)
    failed = failed_from_outside(journal.records)
    for record in failed:
        journal.retry(record)
    return Engine(definition, journal, lambda workload, options: workload), len(failed)


def undisturbed(folder: Path, definition: Sweep) -> list[Any]:
    driver = Driver(engine(folder / "undisturbed", definition))
    driver.run()
    return table(driver.engine.records)


def test_what_failed_is_trained_and_nothing_else(tmp_path: Path) -> None:
    Failing(engine(tmp_path, GRID), {1: "OSError: disk full"}).run()
    before = read_records(tmp_path / "journal.log")
    assert [r.state for r in before].count(State.FAILED) == 1
    again, count = retried(tmp_path, GRID)
    driver = Driver(again)
    driver.run()
    (failed,) = [r for r in before if r.state is State.FAILED]
    assert count == 1
    assert driver.ledger == [(failed.key, epoch) for epoch in (1, 2, 3)]
    assert (
        table(again.records) == table(read_records(tmp_path / "journal.log")) == undisturbed(tmp_path, GRID)
    )
    assert [r.key for r in again.records] == [r.key for r in before], "each in its place"


def test_the_failure_stays_in_the_journal_where_optuna_sees_both(tmp_path: Path) -> None:
    Failing(engine(tmp_path, GRID), {1: "OSError: disk full"}).run()
    Driver(retried(tmp_path, GRID)[0]).run()
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    trials = [t for s in storage.get_all_studies() for t in storage.get_all_trials(s._study_id)]
    (failed,) = [trial for trial in trials if trial.state is TrialState.FAIL]
    (second,) = [trial for trial in trials if trial.user_attrs.get("retries") == failed._trial_id]
    assert failed.user_attrs["reason"] == "OSError: disk full"
    assert (second.state, second.user_attrs["key"]) == (TrialState.COMPLETE, failed.user_attrs["key"])
    (record,) = [record for record in read_records(tmp_path / "journal.log") if record.failures]
    assert [(f.state, f.reason, len(f.epochs)) for f in record.failures] == [
        (State.FAILED, "OSError: disk full", 1)
    ]


def test_answers_of_what_failed_are_answered_again(tmp_path: Path) -> None:
    """The standard trial of the second stage repeats that of the first."""
    Failing(engine(tmp_path, GRID), {0: "OSError: disk full"}).run()
    before = read_records(tmp_path / "journal.log")
    assert [r.state for r in before if r.trial.method == "standard"] == [State.FAILED] * 2
    again, count = retried(tmp_path, GRID)
    Driver(again).run()
    assert count == 2
    assert table(again.records) == undisturbed(tmp_path, GRID)


def test_it_may_fail_again_and_be_tried_once_more(tmp_path: Path) -> None:
    Failing(engine(tmp_path, GRID), {1: "one"}).run()
    for reason in ("two", "three"):
        Failing(retried(tmp_path, GRID)[0], {0: reason}).run()
    (record,) = [r for r in read_records(tmp_path / "journal.log") if r.state is State.FAILED]
    assert ([f.reason for f in record.failures], record.reason) == (["one", "two"], "three")
    Driver(retried(tmp_path, GRID)[0]).run()
    assert table(read_records(tmp_path / "journal.log")) == undisturbed(tmp_path, GRID)
    assert retried(tmp_path, GRID)[1] == 0


def test_what_diverged_is_not_tried_again(tmp_path: Path) -> None:
    Failing(engine(tmp_path, GRID), {1: "DivergedError: loss is nan", 2: "node lost"}).run()
    again, count = retried(tmp_path, GRID)
    Driver(again).run()
    assert count == 1
    assert [r.reason for r in again.records if r.state is State.FAILED] == ["DivergedError: loss is nan"]


def test_what_a_failed_trial_reported_is_not_taken_for_the_next(tmp_path: Path) -> None:
    """It may have failed for what it reported: from a damaged checkpoint come other values."""
    made = engine(tmp_path, GRID)
    record = made.next()
    assert record is not None
    made.report(record.key, train(record, 1) | {"valid_accuracy": 0.99})
    made.fail(record.key, "epoch 1 came again and differs in valid_accuracy")
    again, _ = retried(tmp_path, GRID)
    Driver(again).run()
    assert table(again.records) == undisturbed(tmp_path, GRID)


@pytest.mark.parametrize("kill", [0, 1, 2, 4])
def test_a_kill_amid_it_changes_nothing(tmp_path: Path, kill: int) -> None:
    Failing(engine(tmp_path, GRID), {1: "disk", 2: "disk"}).run()
    again, _ = retried(tmp_path, GRID)
    with pytest.raises(KilledError):
        Driver(again).run(epochs=kill)
    last = Driver(engine(tmp_path, GRID))
    last.run()
    assert len(last.ledger) <= 6
    assert table(last.engine.records) == undisturbed(tmp_path, GRID)


def test_a_search_goes_on_from_the_journal_as_it_does_in_memory(tmp_path: Path) -> None:
    """Optuna's draws and ASHA's rungs depend on the records alone: killed at any epoch, it is the same."""
    longer = [
        s if s["name"] != "search" else s | {"search": {"kind": "optuna", "trials": 16}} for s in STAGES
    ]
    definition, more = sweep(stages=STAGES), sweep(stages=longer)
    tables = []
    for name, kills in (("whole", []), ("killed", [1, 7, 30])):
        folder = tmp_path / name
        Failing(engine(folder, definition), dict.fromkeys(range(11, 18), "node lost")).run()
        again, count = retried(folder, more)
        assert count >= 2
        for epochs in kills:
            with pytest.raises(KilledError):
                Driver(again).run(epochs)
            again = engine(folder, more)
        Driver(again).run()
        tables.append(table(again.records))
        keys = [r.key for r in again.records if not r.reused_from]
        assert len(keys) == len(set(keys))
        assert all(r.finished and r.state is not State.FAILED for r in again.records)
    assert tables[0] == tables[1]


STAGES: list[dict[str, Any]] = [stage.model_dump(mode="json", exclude_none=True) for stage in sweep().stages]


def test_what_a_failed_trial_spent_is_spent(tmp_path: Path) -> None:
    definition = GRID.model_copy(update={"limits": Limits(trials=2)})
    Failing(engine(tmp_path, definition), {1: "disk"}).run()
    again, _ = retried(tmp_path, definition)
    assert again.limit == "trials 2"
    spent = GRID.model_copy(update={"limits": Limits(passes=1)})
    assert Engine(spent, again.journal, lambda workload, options: workload).limit == "passes 1"


def test_a_mend_keeps_what_tries_again_beside_what_failed(tmp_path: Path) -> None:
    Failing(engine(tmp_path, GRID), {1: "disk"}).run()
    Driver(retried(tmp_path, GRID)[0]).run()
    path = tmp_path / "journal.log"
    whole = path.read_bytes()
    assert salvage(whole, "small").content == whole
    lines = whole.splitlines(keepends=True)
    known: dict[str, Record] = {record.name: record for record in read_records(path)}
    for at in range(len(lines)):
        path.write_bytes(salvage(b"".join(lines[:at] + lines[at + 1 :]), "small").content)
        kept = read_records(path)
        assert len({(r.stage, r.key) for r in kept}) == len(kept), "one record for each"
        for record in kept:
            if record.state is State.COMPLETE:
                assert record.epochs == known[record.name].epochs
        again, _ = retried(tmp_path, GRID)
        Driver(again).run()
        assert table(again.records) == undisturbed(tmp_path / f"{at}", GRID)
