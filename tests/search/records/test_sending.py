"""Group commit to a bucket: fewer writes than results, in order, each once; told when they are durable."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dropattack.testing.stores.cases import contents, small_sweep, some_metrics, some_trial
from search.records.entries import TakenOverError
from search.records.journal import Journal
from search.records.record import Record, State
from search.records.sending import Sending
from search.records.store import Store
from tests.patience import PATIENCE_SECONDS
from tests.search.records.nodes import Nodes
from tests.trainables.remote.server import BUCKET, GONE, LOST, REFUSED, Spoiled, s3_server
from trainables.remote import bucket as remote
from trainables.remote.address import Address
from trainables.remote.bucket import RemoteError
from trainables.remote.opening import open_bucket

SWEEP = small_sweep()


class Held:
    """Writes that wait until they are let through, and what they wrote."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []
        self.begun = threading.Semaphore(0)
        self.through = threading.Semaphore(0)
        self.error: Exception | None = None

    def __call__(self, first: int, lines: bytes) -> None:
        self.begun.release()
        assert self.through.acquire(timeout=PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        self.written.append((first, lines))

    def let_all(self) -> None:
        """Lets writes through until `hold`."""
        self.through.release(99)

    def hold(self) -> None:
        """Writes wait from now on; those that have begun are forgotten."""
        for counted in (self.through, self.begun):
            while counted.acquire(blocking=False):
                pass

    def let(self, count: int = 1) -> None:
        """Lets writes through, of which the first has begun."""
        assert self.begun.acquire(timeout=PATIENCE_SECONDS)
        self.through.release(count)


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def settled(sending: Sending, told: list[int], count: int) -> None:
    """Waits until so many have been told."""

    def are_told() -> bool:
        sending.settle()
        return len(told) >= count

    until(are_told)


def test_what_comes_while_a_write_is_under_way_is_the_next_write_and_told_when_it_is_there() -> None:
    write, told = Held(), list[int]()
    sending = Sending(write)
    with sending.gathering():
        for number in range(1, 7):
            sending.add(number, b"%d\n" % number)
            sending.when_sent(lambda number=number: told.append(number))  # type: ignore[misc]
            sending.settle()
            if number == 1:
                assert write.begun.acquire(timeout=PATIENCE_SECONDS)
        assert told == []
        write.through.release()
        settled(sending, told, 1)
        assert told == [1], "the others are on their way"
        write.let()
        sending.settle(wait=True)
        assert told == [1, 2, 3, 4, 5, 6]
    assert write.written == [(1, b"1\n"), (2, b"2\n3\n4\n5\n6\n")]


def test_outside_of_gathering_a_line_is_there_when_the_call_returns() -> None:
    write = Held()
    write.through.release(4)
    sending = Sending(write)
    sending.add(1, b"1\n")
    assert write.written == [(1, b"1\n")]
    with sending.gathering():
        sending.add(2, b"2\n")
        sending.add(3, b"3\n")
    assert b"".join(lines for _, lines in write.written) == b"1\n2\n3\n", "all of it when gathering ends"
    sending.add(4, b"4\n")
    assert write.written[-1] == (4, b"4\n")


def test_after_a_write_that_failed_nothing_is_written_or_told() -> None:
    write, told = Held(), list[int]()
    write.error = OSError("broken")
    sending = Sending(write)
    with ExitStack() as gathering:
        gathering.enter_context(sending.gathering())
        for number in (1, 2):
            sending.add(number, b"%d\n" % number)
            sending.when_sent(lambda: told.append(1))
        write.let()
        with pytest.raises(OSError, match="broken"):
            sending.settle(wait=True)
        with pytest.raises(OSError, match="broken"):
            sending.add(3, b"3\n")
        with pytest.raises(OSError, match="broken"):
            gathering.close()
    with pytest.raises(OSError, match="broken"):
        sending.add(3, b"3\n")
    assert (write.written, told) == ([], [])
    assert not write.begun.acquire(timeout=0), "the second one was not tried"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spoiled]:
    with s3_server(monkeypatch) as spoiled:
        yield spoiled


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Spoiled) -> Nodes:
    return Nodes(monkeypatch, tmp_path / "caches", f"s3://{BUCKET}/gathered")


def journal_of(store: Store) -> Journal:
    return store.journal(SWEEP, writable=True)


def puts(server: Spoiled) -> int:
    return sum(method == "PUT" and "/entries/" in path for method, path in server.seen)


def report(journal: Journal, records: list[Record], epochs: range) -> None:
    for epoch in epochs:
        for record in records:
            assert journal.append(record, some_metrics(epoch))


def test_trials_that_report_beside_each_other_share_a_put(nodes: Nodes, server: Spoiled) -> None:
    journal = journal_of(nodes.store("a"))
    records = [journal.add("grid", some_trial(seed)) for seed in range(8)]
    server.seen.clear()
    server.delay = 0.2
    with journal.gathering():
        report(journal, records, range(1, 6))
        for record in records:
            journal.finish(record, State.COMPLETE)
    assert 1 <= puts(server) <= 3, "of 40 results and 8 ends"
    server.delay = 0.0
    assert contents(nodes.store("b").journal(SWEEP)) == contents(journal)
    assert nodes.store("b").journal_path("small").read_bytes() == (
        nodes.store("a").journal_path("small").read_bytes()
    )


def test_a_put_that_took_effect_unseen_is_recorded_once_and_the_order_kept(
    nodes: Nodes, server: Spoiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FIRST_PAUSE_SECONDS", 0.01)
    journal = journal_of(nodes.store("a"))
    server.matches = lambda method, path: method == "PUT"
    server.faults = [LOST, REFUSED, LOST, LOST, REFUSED]
    with journal.gathering():
        records = [journal.add("grid", some_trial(seed)) for seed in range(4)]
        report(journal, records, range(1, 4))
        journal.settle(wait=True)
        report(journal, records, range(4, 6))
    assert not server.faults
    read = nodes.store("b").journal(SWEEP)
    assert contents(read) == contents(journal)
    assert [[int(m["epoch"]) for m in record.epochs] for record in read.records] == [[1, 2, 3, 4, 5]] * 4


def test_of_two_drivers_that_gather_the_second_adds_nothing(nodes: Nodes, server: Spoiled) -> None:
    first, second = (journal_of(nodes.store(name)) for name in "ab")
    told: list[int] = []
    with first.gathering():
        records = [first.add("grid", some_trial(seed)) for seed in range(3)]
        report(first, records, range(1, 4))
    with ExitStack() as gathering:
        gathering.enter_context(second.gathering())
        others = [second.add("more", some_trial(seed)) for seed in range(3)]
        second.when_durable(others[0], lambda _: told.append(1))
        report(second, others, range(1, 4))
        with pytest.raises(TakenOverError):
            second.settle(wait=True)
        with pytest.raises(TakenOverError):
            gathering.close()
    assert told == []
    for node in "abc":
        assert contents(nodes.store(node).journal(SWEEP)) == contents(first), "its own copy too"


def test_a_store_that_goes_away_ends_it_with_what_was_there_before(
    nodes: Nodes, server: Spoiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journal_of(nodes.store("a"))
    record = journal.add("grid", some_trial(0))
    journal.append(record, some_metrics(1))
    kept = contents(journal)
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 0.2)
    server.faults = [GONE]
    server.matches = lambda method, path: method == "PUT"
    with ExitStack() as gathering:
        gathering.enter_context(journal.gathering())
        report(journal, [record], range(2, 6))
        with pytest.raises(RemoteError, match="cannot be reached"):
            gathering.close()
    server.heal()
    for node in "ab":
        again = nodes.store(node).journal(SWEEP)
        assert contents(again) == kept
    goes_on = journal_of(nodes.store("a"))
    report(goes_on, goes_on.records, range(2, 4))
    assert len(nodes.store("b").journal(SWEEP).records[0].epochs) == 3


@pytest.mark.parametrize("at", ["before the put", "after the put", "amid the copy"])
def test_a_driver_killed_between_leaves_a_prefix_from_which_the_next_goes_on(
    nodes: Nodes, server: Spoiled, at: str
) -> None:
    """Whatever of it was sent: the journal is a prefix of what was recorded, on whichever node it is read."""
    store = nodes.store("a")
    journal = journal_of(store)
    records = [journal.add("grid", some_trial(seed)) for seed in range(3)]
    path = store.journal_path("small")
    before = path.read_bytes()
    server.delay = 0.1
    with journal.gathering():
        report(journal, records, range(1, 4))
    server.delay = 0.0
    whole, names = path.read_bytes(), nodes.objects("sweeps/small/journal/entries/")
    if at == "before the put":  # of the second write of the two
        open_bucket(Address.parse(nodes.address)).delete(names[-1])
        path.write_bytes(whole[: len(before) + whole[len(before) :].index(b"\n") + 1])
    else:
        path.write_bytes(before if at == "after the put" else whole[:-10])
    for node in "ab":
        read = nodes.store(node).journal(SWEEP)
        done = [[int(metrics["epoch"]) for metrics in record.epochs] for record in read.records]
        assert done == sorted(done, reverse=True)
        assert all(epochs == list(range(1, len(epochs) + 1)) for epochs in done)
        assert (done == [[1, 2, 3]] * 3) is (at != "before the put")
    goes_on = journal_of(nodes.store("b"))
    for record in goes_on.records:
        report(goes_on, [record], range(len(record.epochs) + 1, 6))
    assert [len(record.epochs) for record in nodes.store("a").journal(SWEEP).records] == [5] * 3
