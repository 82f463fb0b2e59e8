"""Reads every file of a store, says which are damaged and what that costs, and mends by doing the least."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropattack import UsageError
from search.records.journal import exclusive
from search.records.notes import (
    CODE,
    EXTENT,
    NOTES,
    DamagedNoteError,
    Note,
    read_note,
    report_is_whole,
    set_aside,
    write_note,
)
from search.records.reading import content_of, read_records
from search.records.record import Record
from search.records.salvage import salvage
from search.records.store import Store
from trainables.disk import write_atomically

if TYPE_CHECKING:
    from trainables.trial import Trial

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}")
_ASIDE = "it is kept beside it as {name}"


@dataclass(frozen=True)
class Finding:
    """A file that is not as it was written.

    Attributes:
        path: The file.
        wrong: What is wrong with it.
        lost: What is lost.
        mending: What a mend does.
        mend: Does it.
        mended: What a mend did, or nothing.
    """

    path: Path
    wrong: str
    lost: str
    mending: str
    mend: Callable[[], str] | None = None
    mended: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in ("path", "mend")}
        return {"file": str(self.path), **plain}


def check_sweep(store: Store, name: str) -> Iterator[Finding]:
    """Finds the files of a sweep that are damaged.

    Args:
        store: Where it is.
        name: Name of the sweep.
    """
    folder = store.folder(name)
    yield from _definition(store, name)
    yield from _journal(store, name)
    for note in NOTES:
        yield from _note(folder, note)
    yield from _code(store, name)
    yield from _report(store, name)
    if (lock := folder / "run.lock").is_dir():
        yield _away(lock, "is a folder", "nothing", "moves it away")
    yield from _tensors(store, name)


def mend_sweep(store: Store, name: str) -> Iterator[Finding]:
    """Mends what `check_sweep` finds, and removes what killed processes left behind.

    Raises:
        UsageError: The sweep is being run.
    """
    folder = store.folder(name)
    if (lock := folder / "run.lock").is_dir():
        away = _away(lock, "is a folder", "nothing", "moves it away")
        yield replace(away, mended=away.mend() if away.mend else "")
    with exclusive(folder):
        for finding in check_sweep(store, name):
            yield finding if finding.mend is None else replace(finding, mended=finding.mend())
        for path in left_behind(folder):
            path.unlink()


def left_behind(folder: Path) -> list[Path]:
    """Files that a killed process left in a sweep's folder; nothing is lost with them."""
    found = sorted(path for path in folder.rglob(".*") if _TEMPORARY.fullmatch(path.name) and path.is_file())
    lock = folder / "journal.log.lock"
    return [*found, lock] if os.path.lexists(lock) else found


def _definition(store: Store, name: str) -> Iterator[Finding]:
    path = store.folder(name) / "sweep.json"
    try:
        store.definition(name)
    except UsageError as error:
        wrong = str(error).removeprefix(f"{path} ").partition(";")[0]
        lost = "the definition; `dropattack run` with the sweep's file defines it anew"
        there = os.path.lexists(path)
        yield (
            _away(path, wrong, lost, "moves it away") if there else Finding(path, wrong, lost, "does nothing")
        )


def _note(folder: Path, note: Note[object]) -> Iterator[Finding]:
    path = folder / note.file
    try:
        read_note(folder, note)
    except DamagedNoteError as error:
        lost = note.lost + ("; `dropattack run` notes it anew" if note is CODE else "")
        yield _away(path, f"is damaged: it {error}", lost, "moves it away")


def _code(store: Store, name: str) -> Iterator[Finding]:
    """The note of a sweep's code, where it is gone and the records are of a user's."""
    path = store.folder(name) / CODE.file
    if os.path.lexists(path):
        return
    try:
        records = read_records(store.journal_path(name))
    except UsageError:
        return
    if any(record.trial.code for record in records):
        yield Finding(path, "is gone", f"{CODE.lost}; `dropattack run` notes it anew", "does nothing")


def _away(path: Path, wrong: str, lost: str, mending: str) -> Finding:
    """A file that a mend puts aside; one that only cannot be read stays where it is."""
    if os.path.lexists(path) and not path.is_dir() and not _readable(path):
        return Finding(path, "cannot be read", "nothing yet", "does nothing: make it readable")
    return Finding(path, wrong, lost, mending, lambda: _ASIDE.format(name=set_aside(path).name))


def _readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        return False
    return True


def _report(store: Store, name: str) -> Iterator[Finding]:
    path = store.report(name)
    if os.path.lexists(path) and not report_is_whole(path):
        lost = "nothing: `dropattack run` and `dropattack report` write it again"
        yield _away(path, "is not what was written", lost, "moves it away")


def _journal(store: Store, name: str) -> Iterator[Finding]:
    path, folder = store.journal_path(name), store.folder(name)
    try:
        content = b"" if path.is_dir() else content_of(path)
    except UsageError:
        yield Finding(path, "cannot be read", "nothing yet", "does nothing: make it readable")
        return
    try:
        noted = read_note(folder, EXTENT) or 0
    except DamagedNoteError:
        noted = 0
    found = salvage(content, name)
    wrong, losses = list(filter(None, [found.wrong])), list(found.losses)
    if path.is_dir():
        wrong, losses = ["is a folder"], ["every record"]
    elif len(content) < noted:
        lines = content.count(b"\n")
        wrong.append(f"it ends after line {lines}, with {len(content):,} of {noted:,} bytes")
        losses.append("all that came after its end")

    def mend() -> str:
        aside = set_aside(path) if os.path.lexists(path) else None
        write_atomically(path, found.content)
        write_note(folder, EXTENT, len(found.content))
        kept = f"{len(read_records(path))} trials are kept"
        return kept if aside is None else f"{kept}; {_ASIDE.format(name=aside.name)}"

    if wrong:
        keeps = "keeps the lines that depend on none that is lost"
        lost = " and ".join(losses) or "no record"
        yield Finding(path, f"is damaged: {'; '.join(wrong)}", lost, keeps, mend)


def _tensors(store: Store, name: str) -> Iterator[Finding]:
    """Models and checkpoints that are damaged."""
    folder = store.folder(name)
    files = [
        (kind, path) for kind in ("models", "checkpoints") for path in sorted(folder.glob(f"{kind}/[!.]*.pt"))
    ]
    if not files:
        return
    try:
        records = {key: r for r in read_records(store.journal_path(name)) for key in (r.key, r.former)}
    except UsageError:
        records = {}
    for kind, path in files:
        if wrong := _wrong_tensors(path, records.get(path.stem)):
            named = records[path.stem].name if path.stem in records else path.stem
            lost = f"the model of {named}; its record stands"
            lost = lost if kind == "models" else f"the training of {named} so far: it begins anew"
            yield _away(path, wrong, lost, "moves it away")


def _wrong_tensors(path: Path, record: Record | None) -> str:
    """What is wrong with a file of a trial, or nothing."""
    from trainables.tensors import DamagedError, load_whole
    from trainables.trial import Trial

    if path.is_dir():
        return "is a folder"
    try:
        state = load_whole(path, "cpu")
        trial = Trial.from_dict(state["trial"]) if "trial" in state else None
        key = state["key"] if trial is None else _key(trial, path.stem)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except DamagedError as error:
        return str(error).removeprefix(f"{path} ")
    except (KeyError, TypeError):
        return "is damaged: it is of no trial"
    return "" if record is None or key in (record.key, record.former) else "is of another trial"


def _key(trial: "Trial", otherwise: str) -> str:
    """The key of a trial; that of its file where what it names is not to be found here."""
    try:
        return trial.key
    except UsageError:
        return otherwise
