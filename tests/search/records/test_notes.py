"""Notes beside the journal: each says when it is damaged, costs what it held, and is kept where it was."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.records.notes import NOTES, DamagedNoteError, Note, read_note, set_aside, write_note
from search.records.provenance import Provenance, Run
from search.records.store import Store
from tests.search.journals import resealed
from tests.search.simulation import Driver, engine, sweep

CONTENTS: dict[str, Any] = {
    "runs.json": [Run(Provenance(command="run small", versions={"torch": "2.13"}), "a", "b", 2)],
    "versions.json": {"torch": ["2.11", "2.13"]},
    "code.json": {"digits-lenet5": {"standard": {"mine": "0f"}}},
    "total.json": 28,
    "robustness.json": {"key": {"test_fgsm_0.1_accuracy": 0.25}},
    "report.json": "0f0f0f0f",
    "data.json": ["agnews-bigru trains on a part of its dataset"],
    "verdict.json": {"finished": 4, "verdicts": [{"workload": "w", "lines": ["Use it."]}]},
    "journal.json": 4096,
    "landscapes.json": {"key": [(-1.5, 0.0, 2.25, 0.125), (0.0, 0.0, 0.5, 1.0)]},
}
BEFORE = {"runs.json": [{"of": {"command": "run small"}}], "journal.json": 7}
"""What differs from these in files of earlier versions; they had no checksum."""

EACH = pytest.mark.parametrize("note", NOTES, ids=lambda note: note.file)
DEFINITION = {"stages": [{"name": "grid", "methods": {"standard": {}}}], "seeds": [0]}


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@EACH
def test_it_says_what_was_written_and_is_json(tmp_path: Path, note: Note[Any]) -> None:
    assert read_note(tmp_path, note) is None
    assert write_note(tmp_path, note, CONTENTS[note.file]) is None
    assert read_note(tmp_path, note) == CONTENTS[note.file]
    assert json.loads((tmp_path / note.file).read_bytes()).keys() == {"content", "crc32"}


@EACH
def test_any_bit_that_flips_is_noticed(tmp_path: Path, note: Note[Any]) -> None:
    write_note(tmp_path, note, CONTENTS[note.file])
    path = tmp_path / note.file
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(DamagedNoteError):
            read_note(tmp_path, note)


@EACH
def test_those_of_earlier_versions_are_read_as_they_are(tmp_path: Path, note: Note[Any]) -> None:
    plain = BEFORE.get(note.file, CONTENTS[note.file])
    (tmp_path / note.file).write_text(json.dumps(plain), encoding="utf-8")
    assert read_note(tmp_path, note) == note.holds.validate_python(plain)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def unreadable(path: Path) -> None:
    """For root, too: reading it is an error of the device."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "foreign": lambda path: path.write_bytes(b"# A page about something else.\n"),
    "other json": lambda path: path.write_bytes(b'[[{"x": null}]]'),
    "a folder": a_folder,
    "unreadable": unreadable,
}


@EACH
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_one_is_named_and_kept_when_it_is_written_anew(
    tmp_path: Path, note: Note[Any], kind: str
) -> None:
    write_note(tmp_path, note, CONTENTS[note.file])
    DAMAGE[kind](tmp_path / note.file)
    with pytest.raises(DamagedNoteError):
        read_note(tmp_path, note)
    for number in (1, 2):
        aside = write_note(tmp_path, note, CONTENTS[note.file])
        assert aside == tmp_path / f"{note.file}.damaged-{number}"
        assert read_note(tmp_path, note) == CONTENTS[note.file]
        DAMAGE[kind](tmp_path / note.file)
    assert os.path.lexists(tmp_path / f"{note.file}.damaged-1")


def test_what_is_set_aside_overwrites_nothing(tmp_path: Path) -> None:
    for content in (b"one", b"two", b"three"):
        (tmp_path / "note").write_bytes(content)
        set_aside(tmp_path / "note")
    assert [(tmp_path / f"note.damaged-{n}").read_bytes() for n in (1, 2, 3)] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("file", ["runs.json", "total.json", "robustness.json", "versions.json"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_store_goes_on_without_it_and_says_so_once(tmp_path: Path, file: str, kind: str) -> None:
    store = Store(tmp_path)
    store.define(sweep(**DEFINITION))
    note = next(note for note in NOTES if note.file == file)
    write_note(store.folder("small"), note, CONTENTS[file])
    DAMAGE[kind](store.folder("small") / file)
    for _ in range(2):
        store.look_at_notes("small")
        assert store.total("small") is (28 if file == "total.json" and kind == "" else None)
        assert (store.runs("small"), store.robustness("small"), store.versions("small")) == ([], {}, {})
    (remark,) = store.remarks.values()
    assert remark.startswith(f"{store.folder('small') / file} is damaged: it ")
    assert "`dropattack store check`" in remark
    assert "\n" not in remark


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_definition_is_refused_and_replaced_by_the_next(tmp_path: Path, kind: str) -> None:
    store, definition = Store(tmp_path), sweep(**DEFINITION)
    store.define(definition)
    path = store.folder("small") / "sweep.json"
    DAMAGE[kind](path)
    with pytest.raises(UsageError, match=r"sweep\.json is damaged.*dropattack run.*dropattack store check"):
        store.recorded("small")
    assert store.standing_definition("small") is None
    store.define(definition)
    assert store.recorded("small") == definition
    assert os.path.lexists(f"{path}.damaged-1")


def test_any_bit_of_a_definition_that_flips_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.define(sweep(**DEFINITION))
    path = store.folder("small") / "sweep.json"
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 7):
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(UsageError, match="is damaged"):
            store.definition("small")


def test_a_definition_that_is_gone_from_its_records_is_told_from_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.definition("small") is None
    Driver(engine(store.folder("small"), sweep(**DEFINITION))).run()
    assert store.sweeps() == ["small"]
    with pytest.raises(UsageError, match=r"sweep\.json is gone"):
        store.recorded("small")
    other = store.complete_elsewhere(sweep(name="other", **DEFINITION))
    assert (other.records, len(other.left_out)) == ({}, 1)


@pytest.mark.parametrize("lost", ["damaged", "gone"])
@pytest.mark.parametrize("code", [{}, {"mine": "0f"}], ids=["code that ships", "code of a user"])
def test_records_of_an_unknown_code_are_not_taken_for_those_of_today(
    tmp_path: Path, code: dict[str, str], lost: str
) -> None:
    store, definition = Store(tmp_path), sweep(**DEFINITION)
    store.define(definition)
    store.note_code("small", {"digits-lenet5": {"standard": code}})
    made = engine(store.folder("small"), definition)
    record = made.next()
    assert record is not None
    made.journal.add("grid", replace(record.trial, code=code, seed=1))
    path = store.folder("small") / "code.json"
    path.unlink() if lost == "gone" else path.write_bytes(b"{")
    assert len(store.complete("small")) == 0, "what is complete is asked for by its key, which holds its code"
    if code:
        with pytest.raises(UsageError, match=rf"code\.json is {lost}; .*`dropattack run small` notes it"):
            store.journal(definition)
    else:
        assert len(store.journal(definition).records) == 2
        assert len(store.remarks) == (lost == "damaged")
    assert len(store.journal(definition, writable=True).records) == 2, "a run knows its code"


def test_a_journal_that_is_shorter_than_it_was_is_named(tmp_path: Path) -> None:
    store, definition = Store(tmp_path), sweep(**DEFINITION)
    store.define(definition)
    Driver(engine(store.folder("small"), definition)).run()
    path = store.journal_path("small")
    whole = path.read_bytes()
    store.note_extent("small")
    lines = whole.splitlines(keepends=True)
    for kept in range(len(lines)):
        path.write_bytes(b"".join(lines[:kept]))
        with pytest.raises(UsageError, match=rf"journal\.log is damaged: it ends after line {kept}, .*store"):
            store.journal(definition)
    path.unlink()
    with pytest.raises(UsageError, match="it ends after line 0"):
        store.journal(definition, writable=True)
    path.write_bytes(resealed(whole, lambda content: content))
    assert len(store.journal(definition).records) == 1
