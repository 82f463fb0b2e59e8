"""Who is told of a trial of a store in a bucket: what is durable, and no more."""

import time
from pathlib import Path

import pytest

from dropattack.testing.stores.cases import small_sweep, some_metrics, some_trial
from search.engine.engine import Engine
from search.records import journal as journals
from search.records.entries import Entries
from search.records.journal import Journal
from search.records.reading import read_records
from search.records.record import Record, State
from search.records.sending import Sending
from search.session import _drop_checkpoint
from tests.patience import PATIENCE_SECONDS
from tests.search import simulation
from tests.search.records.nodes import Nodes
from tests.search.records.test_sending import Held, until
from trainables.disk import checkpoint_path

SWEEP = small_sweep()


def test_what_is_told_is_a_record_as_it_is_durable_though_more_of_it_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial's later epochs and its end wait behind its first: nobody may act on them yet."""
    write = Held()
    monkeypatch.setattr(journals, "sending_to", lambda path: Sending(write))
    journal = Journal(tmp_path / "journal.log", SWEEP.select)
    write.let_all()
    record = journal.add("grid", some_trial(0))
    write.hold()
    told: list[tuple[State, int]] = []
    place = checkpoint_path(tmp_path, record.key)
    place.parent.mkdir()
    place.touch()

    def tell(seen: Record) -> None:
        told.append((seen.state, len(seen.epochs)))
        _drop_checkpoint(tmp_path, journal, seen)

    with journal.gathering():
        for epoch in range(1, 4):
            journal.append(record, some_metrics(epoch))
            journal.when_durable(record, tell)
            assert epoch > 1 or write.begun.acquire(timeout=PATIENCE_SECONDS)
        journal.finish(record, State.COMPLETE)
        journal.when_durable(record, tell)
        assert told == []
        write.through.release()
        until(lambda: (journal.settle(), len(told) == 1)[1])
        assert told == [(State.RUNNING, 1)]
        assert place.exists()
        write.let()
        journal.settle(wait=True)
    assert told[1:] == [(State.RUNNING, 2), (State.RUNNING, 3), (State.COMPLETE, 3)]
    assert not place.exists()


def test_an_engine_hands_out_and_tells_what_is_durable_and_ends_as_one_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"dropattack": {"epsilon": {"low": 0.01, "high": 10, "log": True}}}
    definition = simulation.sweep(
        stages=[
            {"name": "grid", "methods": {"dropattack": {"epsilon": [0.1, 1.0]}}},
            {
                "name": "search",
                "search": {"kind": "optuna", "trials": 4},
                "methods": space,
            },
        ]
    )
    simulation.Driver(alone := simulation.engine(tmp_path / "folder", definition)).run()
    nodes, written = Nodes(monkeypatch, tmp_path / "caches"), list[int]()
    append = Entries.append

    def slow(entries: Entries, first: int, lines: bytes) -> None:
        time.sleep(0.005)
        append(entries, first, lines)
        written.append(first)

    monkeypatch.setattr(Entries, "append", slow)
    store = nodes.store("a")
    journal = store.journal(definition, writable=True)
    engine = Engine(definition, journal, lambda workload, options: workload)

    def check(record: Record) -> None:
        there = {each.number: each for each in read_records(store.journal_path("small"))}
        assert record.number in there
        found = there[record.number]
        assert len(found.epochs) >= len(record.epochs)
        assert found.state is record.state or not record.finished

    engine.listeners.append(check)
    driver, hand_out = simulation.Driver(engine), engine.next

    def handed_out() -> Record | None:
        record = hand_out()
        if record is not None:
            check(record)
        return record

    monkeypatch.setattr(engine, "next", handed_out)
    with journal.gathering():
        driver.run()
        journal.settle(wait=True)
    assert len(written) < len(driver.ledger) / 2
    assert simulation.table(engine.records) == simulation.table(alone.records)
    assert simulation.table(nodes.store("b").journal(definition).records) == simulation.table(alone.records)
