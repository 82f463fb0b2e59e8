"""What a store at an address costs beside one in a folder: results recorded, and a store opened.

    python -m benchmarks.remote_store [--trials 5000] [--results 200]

The address is moto's S3 server in this process, with so many milliseconds added to each of its answers.
"""

import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

from benchmarks.rows import Row, main
from dropattack.testing.stores.cases import small_sweep, some_metrics, some_trial
from search.records.journal import Journal, exclusive
from search.records.mirrored import folder_of
from search.records.record import Record, State
from search.records.store import Store
from tests.trainables.remote.server import BUCKET, Spoiled, s3_server

_SIDE_BY_SIDE = (1, 16, 256)
_ADDED_MS = (0, 20, 100)
_MOST_CPU_MS = 15.0
_MOST_SECONDS = 3.0
SWEEP = small_sweep()


def measure(trials: int, results: int) -> list[Row]:
    """A row for each way to record, and for opening."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPATTACK_CACHE", scratch)
        rows += [_recording(str(Path(scratch, f"folder-{n}")), "a folder", n, results) for n in _SIDE_BY_SIDE]
        with s3_server(patch) as server:
            for added in _ADDED_MS:
                server.delay = added / 1000
                for beside in _SIDE_BY_SIDE:
                    place = f"s3://{BUCKET}/{added}-{beside}"
                    rows.append(_recording(place, f"S3, {added} ms added", beside, results))
            server.delay = 0
            rows += _opening(patch, Path(scratch), trials, server)
    return rows


def _recording(place: str, named: str, beside: int, results: int) -> Row:
    """Results of so many trials side by side, as fast as the driver records them."""
    store = Store(folder_of(place))
    with exclusive(store.folder(SWEEP.name)):
        journal = store.journal(SWEEP, writable=True)
        with journal.gathering():
            records = [journal.add("grid", some_trial(seed)) for seed in range(min(beside, results))]
            journal.settle(wait=True)
            took: list[float] = []
            cpu, began = [], time.perf_counter()
            for number in range(results):
                record, epoch = records[number % len(records)], number // len(records) + 1
                spent = time.thread_time()
                told = partial(_note, took, time.perf_counter())
                journal.append(record, some_metrics(epoch))
                journal.when_durable(record, told)
                journal.settle()
                cpu.append(1000 * (time.thread_time() - spent))
            journal.settle(wait=True)
            seconds = time.perf_counter() - began
    each, own = statistics.median(took), statistics.median(cpu)
    return Row(
        f"results recorded a second, {named}, {beside} trials side by side",
        f"≤ {_MOST_CPU_MS:.0f} ms of the driver's CPU each",
        f"{results / seconds:,.0f}; each durable after {each:.1f} ms; {own:.2f} ms of CPU",
        results,
        own <= _MOST_CPU_MS,
    )


def _note(took: list[float], sent: float, _: Record) -> None:
    took.append(1000 * (time.perf_counter() - sent))


def _opening(patch: pytest.MonkeyPatch, scratch: Path, trials: int, server: Spoiled) -> list[Row]:
    """A store of many trials, opened where nothing of it is, and where all of it is."""
    store = Store(folder_of(f"s3://{BUCKET}/many"))
    with exclusive(store.folder(SWEEP.name)):
        journal = store.journal(SWEEP, writable=True)
        for seed in range(trials):
            _complete(journal.add("grid", some_trial(seed)), journal)
        store.define(SWEEP)
    rows = []
    for named, cache in (("a node that has no copy", scratch / "other"), ("a node that has one", scratch)):
        patch.setenv("DROPATTACK_CACHE", os.fspath(cache))
        server.seen.clear()
        began, spent = time.perf_counter(), time.process_time()
        opened = Store(folder_of(f"s3://{BUCKET}/many"))
        brought = time.perf_counter() - began
        count = len(opened.journal(SWEEP).records)
        seconds, cpu = time.perf_counter() - began, time.process_time() - spent
        rows.append(
            Row(
                f"seconds until {count:,} trials are read over S3, {named}",
                f"≤ {_MOST_SECONDS:.0f}",
                f"{seconds:.1f}, of which {brought:.1f} to bring them in {len(server.seen)} requests; "
                f"{cpu:.1f} s of CPU with the server's",
                1,
                seconds <= _MOST_SECONDS,
            )
        )
    return rows


def _complete(record: Record, journal: Journal) -> None:
    journal.append(record, some_metrics(1))
    journal.finish(record, State.COMPLETE)


if __name__ == "__main__":
    main(measure, __doc__ or "", trials=5000, results=200)
