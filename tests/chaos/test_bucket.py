"""A sweep whose store is a bucket: killed on one node, it goes on on another that shares nothing else."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from search.records.mirrored import folder_of
from search.records.record import Record
from search.records.store import Store
from tests.chaos.harness import GRID, Sweeping, table, timeless
from tests.chaos.test_chaos import undisturbed
from tests.trainables.remote.server import BUCKET, GONE, Spoiled, s3_server
from trainables.remote.address import Address
from trainables.remote.opening import open_bucket

ADDRESS = f"s3://{BUCKET}/chaos"


class OnNodes(Sweeping):
    """A sweep that is run from one node after the other.

    Args:
        folder: Where the nodes' caches are.
        patch: Says which node is the next.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, GRID, "--store", ADDRESS)
        self._patch = patch

    def on(self, node: str) -> None:
        """What is run next is run there."""
        self._patch.setenv("DROPATTACK_CACHE", str(self.folder / node))

    @override
    def records(self) -> list[Record]:
        self.on("who looks")
        return list(Store(folder_of(ADDRESS)).journal(self.sweep).records)

    def check(self, interruptions: int) -> None:
        """What was trained is on record as it was trained, and little was trained again."""
        records = self.records()
        assert table(records) == undisturbed("grid")
        recorded = {(r.key, int(m["epoch"])): timeless(m) for r in records for m in r.epochs}
        ledger = self.ledger()
        assert [key for key, epoch, metrics in ledger if recorded[key, epoch] != metrics] == []
        again = sum(count - 1 for count in Counter((key, epoch) for key, epoch, _ in ledger).values())
        assert again <= 2 * interruptions, f"{again} epochs were trained again"
        left = [each.name for each in open_bucket(Address.parse(ADDRESS)).under("sweeps/chaos/")]
        assert [name for name in left if "checkpoints" in name or name.endswith("run.lock")] == []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spoiled]:
    with s3_server(monkeypatch) as application:
        yield application


@pytest.mark.heavy
@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_from_another_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Spoiled
) -> None:
    sweeping = OnNodes(tmp_path, monkeypatch)
    sweeping.on("a")
    assert sweeping.run("before-store:4") == -signal.SIGKILL
    assert sweeping.faulted()
    sweeping.on("b")
    sweeping.run_and_kill(3)
    sweeping.on("a")
    assert sweeping.run() == 0, sweeping.said()[-3000:]
    sweeping.check(interruptions=2)


@pytest.mark.heavy
@pytest.mark.slow
def test_a_bucket_that_goes_away_ends_the_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Spoiled
) -> None:
    sweeping = OnNodes(tmp_path, monkeypatch)
    sweeping.on("a")
    server.matches = lambda method, path: len(sweeping.ledger()) >= 4
    server.faults = [GONE]
    assert sweeping.run() == 1
    server.heal()
    assert sweeping.said().splitlines()[-1].startswith(f"dropattack: a file of the store {ADDRESS}")
    assert "Traceback" not in sweeping.said()
    sweeping.on("b")
    assert sweeping.run() == 0, sweeping.said()[-3000:]
    sweeping.check(interruptions=1)
