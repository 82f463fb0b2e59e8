"""What a mend keeps of a journal: all that no lost line can have said anything of, and nothing else."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.definition.sweep import Sweep
from search.records.lines import lines_of, written
from search.records.reading import read_records
from search.records.record import Record, State
from search.records.salvage import Salvage, salvage
from tests.search.journals import bare
from tests.search.simulation import Driver, KilledError, engine, sweep, table

GRID = sweep(
    stages=[
        {"name": "baseline", "methods": {"standard": {}}},
        {"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}, "standard": {}}},
    ],
    training={"epochs": 3},
)
"""Six trials, and two that the stage before answers."""


@pytest.fixture(scope="module", params=[1, 3], ids=["one at a time", "three side by side"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    Driver(engine(folder, GRID), request.param).run()
    return (folder / "journal.log").read_bytes()


def read(folder: Path, content: bytes) -> list[Record]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.log").write_bytes(content)
    return read_records(folder / "journal.log")


def finished(folder: Path, definition: Sweep, content: bytes) -> tuple[list[Any], int]:
    """What a sweep comes to that goes on from a journal, and how many epochs that took."""
    read(folder, content)
    driver = Driver(engine(folder, definition))
    driver.run()
    path = folder / "journal.log"
    trials = [
        trial
        for storage in [JournalStorage(JournalFileBackend(str(path)))]
        for study in storage.get_all_studies()
        for trial in storage.get_all_trials(study._study_id)
    ]
    assert {trial.user_attrs["key"] for trial in trials} == {r.key for r in driver.engine.records}
    assert all(trial.state.is_finished() for trial in trials), "Optuna sees what is on record"
    return table(driver.engine.records), len(driver.ledger)


def check_truth(kept: list[Record], known: list[Record]) -> None:
    """What is kept is what was recorded: a finished record as it was, a running one as far as it goes."""
    by_place = {(record.stage, record.key): record for record in known}
    for record in kept:
        was = by_place[record.stage, record.key]
        assert record.epochs == was.epochs[: len(record.epochs)]
        if record.finished:
            assert (record.state, record.epochs, record.reused_from, record.reason) == (
                was.state, was.epochs, was.reused_from, was.reason
            )  # fmt: skip
        if record.reused_from:
            assert any(r.key == record.key and r.finished and not r.reused_from for r in kept)


def damaged(content: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    return b"".join(change(content.splitlines(keepends=True)))


def test_a_whole_journal_is_kept_as_it_is(whole: bytes) -> None:
    assert salvage(whole, "small") == Salvage(whole, "", [], 0)
    assert salvage(bare(whole), "small") == Salvage(bare(whole), "", [], 0)
    assert salvage(b"", "small") == Salvage(b"", "", [], 0)


@pytest.mark.parametrize("seed", range(5))
def test_lines_that_are_only_moved_or_doubled_go_back(whole: bytes, seed: int) -> None:
    draw = random.Random(seed)

    def shuffled(lines: list[bytes]) -> list[bytes]:
        return draw.sample([*lines, *draw.sample(lines, 5)], len(lines) + 5)

    mended = salvage(damaged(whole, shuffled), "small")
    assert (mended.content, mended.lost, mended.set_back) == (whole, 0, [])
    assert mended.wrong


@pytest.mark.parametrize("kind", ["lost", "broken"])
def test_a_line_costs_what_was_running_and_the_end_is_the_same(
    tmp_path: Path, whole: bytes, kind: str
) -> None:
    known = read(tmp_path / "known", whole)
    count = whole.count(b"\n")
    expected, in_all = finished(tmp_path / "anew", GRID, b"")
    assert table(known) == expected
    for at in range(0, count, 1 if kind == "lost" else 4):
        new = [] if kind == "lost" else [b'{"op_co\n']
        mended = salvage(damaged(whole, lambda lines: lines[:at] + new + lines[at + 1 :]), "small")  # noqa: B023
        assert bool(mended.wrong) is not (kind == "lost" and at == count - 1), "the last one leaves no trace"
        assert all(not line.wrong for line in lines_of(mended.content))
        kept = read(tmp_path / f"kept{at}", mended.content)
        check_truth(kept, known)
        running = [record for record in kept if not record.finished]
        assert len(running) + mended.lost <= 2 * 3, "three slots, and who repeats them"
        if mended.wrong:
            assert sorted(mended.set_back) == sorted(record.name for record in running)
            assert mended.lost == len(known) - len(kept)
        got, again = finished(tmp_path / f"kept{at}", GRID, mended.content)
        assert got == expected
        assert again <= in_all - sum(len(r.epochs) for r in kept if r.finished and not r.reused_from)


@pytest.mark.parametrize("seed", range(30))
def test_many_lines_cost_more_and_nothing_is_guessed(tmp_path: Path, whole: bytes, seed: int) -> None:
    draw = random.Random(seed)
    known = read(tmp_path / "known", whole)

    def some(lines: list[bytes]) -> list[bytes]:
        return [
            line[: len(line) // 2] + b"\n" if draw.random() < 0.05 else line
            for line in lines
            if draw.random() > 0.1
        ]

    mended = salvage(damaged(whole, some), "small")
    kept = read(tmp_path / "kept", mended.content)
    check_truth(kept, known)
    assert finished(tmp_path / "kept", GRID, mended.content)[0] == table(known)


def test_two_lines_of_one_number_end_what_is_kept(tmp_path: Path, whole: bytes) -> None:
    lines = whole.splitlines(keepends=True)
    other = json.loads(lines[7])
    del other["crc32"]
    forged = written({**other, "worker_id": "another"}, 8)
    mended = salvage(b"".join([*lines, forged]), "small")
    assert mended.content == b"".join(lines[:7])


def test_an_earlier_journal_is_kept_up_to_the_damage_and_its_later_trials_too(tmp_path: Path) -> None:
    definition = sweep(
        stages=[{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2, 0.3, 0.4]}}}],
        training={"epochs": 3},
        seeds=[0],
    )
    with pytest.raises(KilledError):
        Driver(engine(tmp_path / "a", definition)).run(6)
    path = tmp_path / "a" / "journal.log"
    old = bare(path.read_bytes())
    path.write_bytes(old)
    Driver(engine(tmp_path / "a", definition)).run()
    known, content = read_records(path), path.read_bytes()
    assert len(known) == 4
    count = old.count(b"\n")
    for at in range(count):
        mended = salvage(damaged(content, lambda lines: [*lines[:at], b"?\n", *lines[at + 1 :]]), "small")  # noqa: B023
        before = old.splitlines(keepends=True)[:at]
        assert mended.content.startswith(b"".join(before))
        kept = read(tmp_path / f"{at}", mended.content)
        check_truth(kept, known)
        assert {r.key for r in known[3:]} <= {r.key for r in kept if r.finished}
        assert finished(tmp_path / f"{at}", definition, mended.content)[0] == table(known)
        cut = salvage(damaged(content, lambda lines: [*lines[:at], *lines[at + 1 :]]), "small")  # noqa: B023
        kept = read(tmp_path / f"cut{at}", cut.content)
        assert {r.key for r in kept} == {r.key for r in known[3:]}, "nobody knows which of the others is lost"
        only_old = salvage(damaged(old, lambda lines: [*lines[:at], b"?\n", *lines[at + 1 :]]), "small")  # noqa: B023
        assert only_old.content == b"".join(before)


def test_a_search_goes_on_after_a_mend(tmp_path: Path) -> None:
    Driver(engine(tmp_path / "whole", sweep()), slots=2).run()
    content = (tmp_path / "whole" / "journal.log").read_bytes()
    known = read(tmp_path / "known", content)
    count = content.count(b"\n")
    for at in range(5, count, count // 7):
        mended = salvage(damaged(content, lambda lines: lines[:at] + lines[at + 1 :]), "small")  # noqa: B023
        check_truth(read(tmp_path / f"kept{at}", mended.content), known)
        driver = Driver(engine(tmp_path / f"kept{at}", sweep()), slots=2)
        driver.run()
        assert all(record.finished for record in driver.engine.records)
        assert State.FAILED not in {record.state for record in driver.engine.records}
        assert len(driver.engine.records) >= driver.engine.total, "another best one may be confirmed, too"
