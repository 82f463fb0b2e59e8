"""A journal of entries that are created once: two drivers never mix, and pages hold what entries held."""

from itertools import count
from pathlib import Path

import pytest

from dropattack import UsageError
from dropattack.testing.stores.cases import contents, small_sweep, some_metrics, some_trial
from search.records import entries as module
from search.records.entries import Entries, TakenOverError
from search.records.journal import Journal
from search.records.store import Store
from tests.search.records.nodes import Nodes
from tests.trainables.remote.server import BUCKET, LOST, REFUSED, Spoiled, s3_server
from trainables.remote.address import Address
from trainables.remote.bucket import Bucket
from trainables.remote.opening import open_bucket

SWEEP = small_sweep()
_PLACES = count()


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    return Nodes(monkeypatch, tmp_path)


@pytest.fixture
def bucket() -> Bucket:
    return open_bucket(Address("memory", "entries", str(next(_PLACES))))


def journal_of(store: Store) -> Journal:
    """The journal, written to without a lease: as by a driver that does not know of another one."""
    return store.journal(SWEEP, writable=True)


def test_of_two_drivers_the_second_fails_at_its_first_write_and_nothing_is_mixed(nodes: Nodes) -> None:
    first, second = (journal_of(nodes.store(name)) for name in ("a", "b"))
    record = first.add("grid", some_trial(0))
    with pytest.raises(TakenOverError, match=r"another run adds to memory://\S+/in/sweeps/small: line 1"):
        second.add("grid", some_trial(1))
    assert first.append(record, some_metrics(1))
    with pytest.raises(TakenOverError):
        second.add("grid", some_trial(1))
    assert contents(nodes.store("c").journal(SWEEP)) == contents(first)
    assert contents(nodes.store("b").journal(SWEEP)) == contents(first), "its own copy has nothing else"


def test_a_driver_that_was_away_for_long_is_refused_though_all_was_folded(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDED", 2)
    away = journal_of(nodes.store("a"))
    away.add("grid", some_trial(0))
    goes_on = journal_of(nodes.store("b"))
    for seed in range(1, 8):
        goes_on.add("grid", some_trial(seed))
    with pytest.raises(TakenOverError):
        away.append(away.records[0], some_metrics(1))
    assert contents(nodes.store("c").journal(SWEEP)) == contents(goes_on)


def test_entries_hold_the_lines_of_a_folder_s_journal(nodes: Nodes) -> None:
    store = nodes.store("a")
    journal = journal_of(store)
    record = journal.add("grid", some_trial(0))
    journal.append(record, some_metrics(1))
    local = store.journal_path("small").read_bytes()
    names = nodes.objects("sweeps/small/journal/entries/")
    bucket = open_bucket(Address.parse(nodes.address))
    assert b"".join(bucket.read_all(names)) == local
    assert [int(name.rpartition("/")[2]) for name in names] == [1, 2, 3], "a study, a trial, an epoch's lines"


@pytest.mark.parametrize("folded", [1, 2, 3, 100])
def test_what_is_read_is_what_was_written_whatever_is_known_and_folded(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, folded: int
) -> None:
    monkeypatch.setattr(module, "FOLDED", folded)
    lines = [b"line %d\n" % number for number in range(1, 14)]
    writer = Entries(bucket, "s/")
    ends = [1, 3, 4, 8, 9, 10, 13]
    for first, last in zip([0, *ends], ends, strict=False):
        if first == 4:  # another process goes on
            writer = Entries(bucket, "s/")
        writer.append(first + 1, b"".join(lines[first:last]))
    for known in range(14):
        assert Entries(bucket, "s/").read(known) == b"".join(lines[known:])
    assert Entries(bucket, "s/").read(14) is None, "more than there is"
    assert len(bucket.under("s/journal/pages/")) == len(ends) // folded


def test_an_entry_that_is_gone_is_seen(bucket: Bucket) -> None:
    writer = Entries(bucket, "s/")
    for number in range(1, 6):
        writer.append(number, b"line %d\n" % number)
    bucket.delete("s/journal/entries/000000000004")
    assert Entries(bucket, "s/").read(3) is None
    assert Entries(bucket, "s/").read() == b"line 1\nline 2\nline 3\nline 5\n"


def test_a_lost_entry_is_refused_by_whoever_has_no_copy_of_it(nodes: Nodes) -> None:
    journal = journal_of(nodes.store("a"))
    record = journal.add("grid", some_trial(0))
    for epoch in (1, 2):
        journal.append(record, some_metrics(epoch))
    bucket = open_bucket(Address.parse(nodes.address))
    bucket.delete(nodes.objects("sweeps/small/journal/entries/")[2])
    for _ in range(2):
        with pytest.raises(UsageError, match=r"line 3 of .* is damaged"):
            nodes.store("b").journal(SWEEP)
    assert contents(nodes.store("a").journal(SWEEP)) == contents(journal)
    bucket.delete(nodes.objects("sweeps/small/journal/entries/")[-1])
    assert nodes.store("a").journal_path("small").read_bytes().count(b"\n") == 2


def test_faults_of_the_server_change_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(monkeypatch) as server:
        nodes = Nodes(monkeypatch, tmp_path, f"s3://{BUCKET}/faults")
        journal = journal_of(nodes.store("a"))
        server.matches = lambda method, path: method == "PUT"
        for seed, faults in enumerate(([REFUSED], [LOST], [LOST, REFUSED, LOST])):
            server.faults = list(faults)
            record = journal.add("grid", some_trial(seed))
            server.faults = list(faults)
            journal.append(record, some_metrics(1))
            assert not server.faults
        assert contents(nodes.store("b").journal(SWEEP)) == contents(journal)
        _killed_after_the_put(nodes, server)


def _killed_after_the_put(nodes: Nodes, server: Spoiled) -> None:
    """A driver that dies between a put and its own copy: the next one, there or elsewhere, has the entry."""
    store = nodes.store("a")
    path = store.journal_path("small")
    before = path.read_bytes()
    journal = journal_of(store)
    journal.add("grid", some_trial(9))
    path.write_bytes(before)
    for node in "ab":
        assert contents(nodes.store(node).journal(SWEEP)) == contents(journal)
    assert path.read_bytes() == nodes.store("b").journal_path("small").read_bytes()
