"""The lines of a journal: whatever is done to one of them, the first that is not as it was is named."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dropattack import UsageError
from search.records.reading import read_records
from search.records.record import Record
from tests.search.journals import bare
from tests.search.simulation import Driver, KilledError, engine, sweep, table

SWEEP = sweep(stages=[{"name": "grid", "methods": {"dropattack": {"p": [0.1, 0.2]}}}], seeds=[0])
Lines = list[bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    Driver(engine(folder, SWEEP)).run()
    return (folder / "journal.log").read_bytes()


def named_line(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    with pytest.raises(
        UsageError, match=r"^line \d+ of .*journal\.log is damaged: it .*store check"
    ) as raised:
        read_records(path)
    return int(str(raised.value).split()[1])


def test_optuna_reads_what_it_would_read_without_checksums(tmp_path: Path, whole: bytes) -> None:
    studies = []
    for name, content in (("sealed", whole), ("bare", bare(whole))):
        path = tmp_path / name
        path.write_bytes(content)
        storage = JournalStorage(JournalFileBackend(str(path)))
        studies.append([(s, storage.get_all_trials(s._study_id)) for s in storage.get_all_studies()])
    assert studies[0] == studies[1]
    assert len(studies[0][0][1]) == 2


def test_every_line_bears_its_number(whole: bytes) -> None:
    entries = [json.loads(line) for line in whole.splitlines()]
    assert [entry["line"] for entry in entries] == list(range(1, len(entries) + 1))
    assert all(list(entry)[-1] == "crc32" for entry in entries)


def test_a_bit_that_flips_is_noticed_and_its_line_named(tmp_path: Path, whole: bytes) -> None:
    ends = [at for at, byte in enumerate(whole) if byte == 10]
    draw = random.Random(0)
    for _ in range(400):
        at, bit = draw.randrange(len(whole) - 1), draw.randrange(8)
        flipped = bytearray(whole)
        flipped[at] ^= 1 << bit
        assert named_line(tmp_path / "journal.log", bytes(flipped)) == sum(end < at for end in ends) + 1


LINES: dict[str, tuple[Callable[[Lines, int], Lines], int]] = {
    "lost": (lambda lines, i: lines[:i] + lines[i + 1 :], 1),
    "doubled": (lambda lines, i: lines[: i + 1] + lines[i:], 2),
    "swapped": (lambda lines, i: [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]], 1),
    "emptied": (lambda lines, i: [*lines[:i], b"\n", *lines[i + 1 :]], 1),
    "without its checksum": (lambda lines, i: [*lines[:i], bare(lines[i]), *lines[i + 1 :]], 1),
    "of another journal": (
        lambda lines, i: [
            *lines[:i],
            b'{"op_code":8,"worker_id":"","trial_id":0,"user_attr":{}}\n',
            *lines[i:],
        ],
        1,
    ),
    "foreign": (lambda lines, i: [*lines[:i], b"A page.\n", *lines[i:]], 1),
}


@pytest.mark.parametrize("kind", LINES)
def test_what_is_done_to_a_line_is_noticed_there(tmp_path: Path, whole: bytes, kind: str) -> None:
    change, after = LINES[kind]
    lines = whole.splitlines(keepends=True)
    for index in range(1, len(lines) - 1):
        found = named_line(tmp_path / "journal.log", b"".join(change(lines, index)))
        assert found == index + after, f"line {index + 1}"


def test_the_first_line_counts_too(tmp_path: Path, whole: bytes) -> None:
    lines = whole.splitlines(keepends=True)
    assert named_line(tmp_path / "journal.log", b"".join(lines[1:])) == 1


@pytest.mark.parametrize("epochs", [1, 5, 12])
def test_a_journal_of_before_goes_on_with_lines_that_bear_checksums(
    tmp_path: Path, whole: bytes, epochs: int
) -> None:
    with pytest.raises(KilledError):
        Driver(engine(tmp_path, SWEEP)).run(epochs)
    path = tmp_path / "journal.log"
    old = bare(path.read_bytes())
    path.write_bytes(old)
    last = Driver(engine(tmp_path, SWEEP))
    last.run()
    content = path.read_bytes()
    assert content.startswith(old)
    new = content.removeprefix(old).splitlines(keepends=True)
    first = old.count(b"\n") + 1
    assert [json.loads(line)["line"] for line in new] == list(range(first, first + len(new)))
    (tmp_path / "undisturbed").write_bytes(whole)
    undisturbed: list[Record] = read_records(tmp_path / "undisturbed")
    assert table(read_records(path)) == table(last.engine.records) == table(undisturbed)
    assert named_line(path, old + b"".join(new[1:])) == first
    fewer = old.splitlines(keepends=True)
    del fewer[max(at for at, line in enumerate(fewer) if b'"op_code": 7' in line)]
    assert named_line(path, b"".join(fewer + new)) == first - 1, "a line of before is lost"


def test_notes_of_other_tools_stand_beside_the_records(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(whole)
    before = table(read_records(path))
    storage = JournalStorage(JournalFileBackend(str(path)))
    (study,) = storage.get_all_studies()
    storage.set_study_system_attr(study._study_id, "dashboard:note", "mine")
    more = sweep(stages=[s.model_dump(exclude_none=True) for s in SWEEP.stages], seeds=[0, 1])
    assert table(read_records(path)) == before
    driver = Driver(engine(tmp_path, more))
    driver.run()
    assert len(read_records(path)) == 4
    storage = JournalStorage(JournalFileBackend(str(path)))
    assert storage.get_all_studies()[0].system_attrs == {"dashboard:note": "mine"}


@pytest.mark.parametrize("change", ["cut", "gone", "torn"])
def test_a_journal_that_changes_while_it_is_written_to_ends_the_run(tmp_path: Path, change: str) -> None:
    path = tmp_path / "journal.log"

    def before(key: str, epoch: int) -> None:
        if epoch == 3:
            content = path.read_bytes()
            path.unlink()
            if change != "gone":
                path.write_bytes(content + b"{" if change == "torn" else content[: len(content) // 2])

    with pytest.raises(OSError, match=r"journal\.log"):
        Driver(engine(tmp_path, SWEEP)).run(before=before)
