"""How far a sweep is, worked out by hand beside what is said."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli import app
from search.console.pace import Pace
from search.console.status import Status, duration
from search.records.record import State
from search.records.store import Store
from search.results.best import best_by_workload
from tests.search.journals import resealed
from tests.search.simulation import Driver, KilledError, engine, sweep
from trainables.sealing import unsealed


def test_counts_best_and_total_are_those_of_the_records(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, sweep()), slots=2).run(epochs=80)
    tested = engine(tmp_path, sweep())
    records = list(tested.records)
    status = Status(sweep(), records, tested.total)
    assert status.total == 2 + 8 + 12 + 6
    assert status.finished == sum(r.state is not State.RUNNING for r in records)
    best = best_by_workload(sweep(), records)["digits-lenet5"]
    assert status.best == {"digits-lenet5": best}
    values = status.to_dict()
    assert values["states"]["running"] == sum(r.state is State.RUNNING for r in records)
    assert values["best"]["digits-lenet5"]["value"] == best.mean
    assert values["standing"] == "running"
    assert "stage 2 of 4: grid · " in status.line()


def test_pace_and_time_left_come_from_when_results_were_recorded(tmp_path: Path) -> None:
    definition = sweep(
        stages=[{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2, 0.3, 0.4]}}}], seeds=[0]
    )
    tested = engine(tmp_path, definition)
    driver = Driver(tested)
    driver.run()
    records = list(tested.records)[:3]
    for number, record in enumerate(records):
        began = 1000.0 + 90 * number + (number == 2) * 7 * 3600
        for epoch, metrics in enumerate(record.epochs, 1):
            metrics |= {"seconds": 10.0, "recorded_at": began + 10 * epoch}
    status = Status(definition, records, tested.total)
    assert status.trials_per_hour == pytest.approx(40), "the seven hours between two runs do not count"
    assert status.seconds_left == pytest.approx(90)
    assert "90 s left" in status.line()
    last = list(tested.records)[3]
    half = last.epochs[: last.trial.training_settings.epochs // 2]
    status.update(replace(last, state=State.RUNNING, epochs=half))
    assert half
    assert status.seconds_left == pytest.approx(90 * (1 - len(half) / last.trial.training_settings.epochs))


def test_a_line_says_how_far_the_trials_are_that_still_train(tmp_path: Path) -> None:
    grid = {"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2, 0.3]}}}
    definition = sweep(stages=[grid], seeds=[0], training={"epochs": 8})
    tested = engine(tmp_path, definition)
    status = Status(definition, [], tested.total)
    driver = Driver(tested, slots=3)
    with pytest.raises(KilledError):
        driver.run(epochs=13)
    *epochs, last = (len(record.epochs) for record in tested.records)
    records = list(tested.records)
    assert last
    assert not any(record.finished for record in records)
    status.update(records[0])
    assert status.trained_share == pytest.approx(epochs[0] / 8)
    for record in records:
        status.update(record)
    assert status.trained_share == pytest.approx(13 / 24)
    assert status.counts().startswith("0/3 · 3 running, 54 % through")
    assert status.to_dict()["trained_share"] == status.trained_share
    again = engine(tmp_path, definition)
    assert Status(definition, again.records, 3, running=False).counts() == "0/3 · 3 unfinished, 54 % through"
    Driver(again, slots=3).run()
    for record in again.records:
        status.update(record)
    assert status.trained_share == 0
    assert "through" not in status.counts(), "nothing trains any more"


def test_a_trial_that_is_tried_again_counts_from_its_start(tmp_path: Path) -> None:
    tested = engine(tmp_path, sweep())
    record = tested.next()
    assert record is not None
    again = replace(record, state=State.RUNNING, epochs=[])
    half = replace(again, number=record.number + 1, epochs=[{}])
    tested.fail(record.key, "out of luck")
    status = Status(sweep(), [record, half], tested.total)
    share = 1 / record.trial.training_settings.epochs
    assert status.trained_share == pytest.approx(share)
    status.update(again)
    assert status.trained_share == pytest.approx(share / 2)


@pytest.mark.parametrize(("retried", "epochs", "through", "whole"), [(True, 8, 50, 25), (False, 12, 75, 62)])
def test_trials_that_wait_to_be_trained_are_not_running(
    tmp_path: Path, retried: bool, epochs: int, through: int, whole: int
) -> None:
    """Also those that a run left half-way, or that failed and are tried again."""
    grid = {"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2, 0.3, 0.4]}}}
    definition = sweep(stages=[grid], seeds=[0], training={"epochs": 8})
    before = engine(tmp_path, definition)
    if retried:
        for record in iter(before.next, None):
            before.fail(record.key, "sensor broke")
        for record in list(before.journal.records):
            before.journal.retry(record)
    else:
        with pytest.raises(KilledError):
            Driver(before, slots=4).run(epochs=16)
    tested = engine(tmp_path, definition)
    status = Status(definition, tested.records, 4, trains=tested.trains)
    assert status.counts().startswith("0/4 · 4 waiting")
    tested.listeners.append(status.update)
    driver = Driver(tested, slots=2)
    with pytest.raises(KilledError):
        driver.run(epochs=epochs)
    assert status.counts().startswith(f"0/4 · 2 running, {through} % through · 2 waiting · ")
    status.end()
    assert status.counts() == f"0/4 · 4 unfinished, {whole} % through"


def test_what_was_trained_twice_is_said_once_it_is_a_second(tmp_path: Path) -> None:
    definition = sweep(stages=[{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}}}], seeds=[0])
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    records = list(driver.engine.records)
    assert "trained twice" not in Status(definition, records, 2).line()
    records[0].epochs[0]["lost_seconds"] = 100.0
    records[0].epochs[1]["lost_seconds"] = 40.0
    records[1].epochs[0]["lost_seconds"] = 20.0
    status = Status(definition, records, 2)
    status.update(records[0])
    assert status.lost_seconds == status.to_dict()["lost_seconds"] == 160
    assert " · 3 min trained twice" in status.line()
    records[1].reused_from = "other/grid"
    assert Status(definition, records, 2).lost_seconds == 140, "another sweep paid for that"


def test_trials_side_by_side_share_the_time(tmp_path: Path) -> None:
    definition = sweep(stages=[{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2, 0.3, 0.4]}}}])
    driver = Driver(engine(tmp_path, definition), slots=2)
    driver.run()
    pace = Pace()
    for number, record in enumerate(driver.engine.records):
        for epoch, metrics in enumerate(record.epochs, 1):
            metrics |= {"seconds": 10.0, "recorded_at": 100.0 * (number // 2) + 11 * epoch}
        pace.add(record)
    assert pace.per_hour == pytest.approx(8 / 400 * 3600, rel=0.01), "also the second between two epochs"


def test_a_record_that_changes_is_counted_once(tmp_path: Path) -> None:
    tested = engine(tmp_path, sweep())
    record = tested.next()
    assert record is not None
    status = Status(sweep(), [record], tested.total)
    assert not status.update(record)
    tested.fail(record.key, "out of luck")
    assert status.update(record)
    assert not status.update(record)
    assert status.line().startswith("1/28 · 1 failed")
    assert [r.reason for r in status.failures] == ["out of luck"]


@pytest.mark.parametrize(("seconds", "text"), [(42, "42 s"), (150, "2 min"), (7200, "2.0 h")])
def test_time_spans_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("noted", [True, False])
def test_status_needs_no_code_of_the_user(tmp_path: Path, noted: bool) -> None:
    """The module of the workload, and the method that it registered, are not to be found."""
    store = Store(tmp_path)
    store.define(sweep())
    tested = engine(store.folder("small"), sweep())
    with pytest.raises(KilledError):
        Driver(tested).run(epochs=150)
    recorded, total = len(tested.records), 2 + 8 + 12 + 6
    assert recorded < total
    if noted:
        store.note_total("small", tested.total)
    before = _status(tmp_path)
    assert f"/{total} · " in before, "without a note of it, the total is worked out while that can be done"
    best = json.loads(_status(tmp_path, "--json"))["best"]["digits-lenet5"]["trial"]["method"]
    definition, journal = store.folder("small") / "sweep.json", store.journal_path("small")
    journal.write_bytes(resealed(journal.read_bytes(), _with_code_of_a_user))
    plain = json.dumps(unsealed(definition.read_bytes())[0]).encode()
    definition.write_bytes(_with_code_of_a_user(plain))
    known = total if noted else recorded
    after = before.replace("digits-lenet5", "own:my_lenet5").replace(f"/{total} ·", f"/{known} ·")
    left = re.compile(" · [^·]* left ")
    assert left.sub(" ", _status(tmp_path)) == left.sub(" ", after)
    values = json.loads(_status(tmp_path, "--json"))
    assert values["total"] == known
    gone = "nowhere" if best == "dropattack" else best
    assert values["best"]["own:my_lenet5"]["trial"]["method"] == gone


def _status(store: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["status", "small", "--store", str(store), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def _with_code_of_a_user(content: bytes) -> bytes:
    return content.replace(b"digits-lenet5", b"own:my_lenet5").replace(b'"dropattack"', b'"nowhere"')
