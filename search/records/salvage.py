"""What can be kept of a damaged journal, and nothing guessed.

Lines that are only moved or doubled go back to where they were: their numbers say where. A line that is lost
may have said anything of a trial that was running then, so that each of these is set back to what was known
before; later trials stand, since the line that creates one says all of it: its number and its study. Of lines
of earlier versions, which say neither, those before the first damage are kept.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from search.records.lines import CREATE_STUDY, CREATE_TRIAL, NUMBER, SET_STATE, Line, lines_of, written
from search.records.reading import DAMAGE, RETRIES, Reader
from search.records.record import Record

_SHOWN = 3


@dataclass(frozen=True)
class Salvage:
    """A damaged journal, mended.

    Attributes:
        content: The lines that can be kept, as a journal.
        wrong: What is wrong with which lines, or nothing where none is.
        set_back: Names of the trials that go on from what was known before a line was lost.
        lost: How many trials are lost as a whole, as far as the kept lines tell.
    """

    content: bytes
    wrong: str
    set_back: list[str]
    lost: int

    @property
    def losses(self) -> list[str]:
        """What is lost, in words."""
        parts = [f"{self.lost} trials, which are run again"] if self.lost else []
        if self.set_back:
            parts.append(f"what {len(self.set_back)} trials did since, which they do again")
        return parts


def salvage(content: bytes, sweep: str) -> Salvage:
    """Keeps what can be kept of a journal.

    Args:
        content: The file; a last line without its end is left out.
        sweep: Name of the sweep, by which its records name each other.
    """
    lines = list(lines_of(content))
    old = _Old(lines)
    events, ends_early = _events(content, lines, old)
    without: set[int] = set()
    while True:
        kept = _Kept(old, without)
        for event in events:
            kept.add(event)
        if ends_early:
            kept.miss()
        records = {record.number: record for record in _read(kept.content)}
        orphans = {first for first, now in kept.ids.items() if _is_orphan(records.get(now), records, sweep)}
        if orphans <= without:
            break
        without |= orphans
    set_back = {now for first, now in kept.ids.items() if first in kept.set_back}
    names = [record.name for number, record in records.items() if number in set_back]
    return Salvage(kept.content, _what_is_wrong(lines, old), sorted(names), kept.most + 1 - len(kept.ids))


def _read(content: bytes) -> list[Record]:
    """The records of what was kept."""
    read = Reader()
    for line in lines_of(content):
        wrong = line.wrong or read.line(line.entry)
        assert not wrong, f"what is kept is a journal: {wrong}"
    return read.records()


class _Event(NamedTuple):
    """A line that says what it said when it was written.

    Attributes:
        number: Of the line, as it was written.
        entry: The operation.
        text: The line where it bears no checksum, else nothing.
    """

    number: int
    entry: Mapping[str, Any]
    text: bytes


class _Old:
    """The lines that a journal of an earlier version begins with, as far as they can be kept.

    Attributes:
        reader: What they amount to.
        count: How many can be.
        more: How many of the others create a trial, as far as they say so.
        wrong: What is wrong with the first that cannot be, where its line does not say so itself.
    """

    def __init__(self, lines: list[Line]) -> None:
        self.reader = Reader()
        self.count = 0
        self.more = 0
        self.wrong = ""
        begin = next((at for at, line in enumerate(lines) if line.is_sealed), len(lines))
        first = min((line.number for line in lines if line.is_sealed), default=begin + 1)
        if first != begin + 1:
            if begin:
                self.wrong = f"of the lines before the one written as number {first} some are missing"
        else:
            self.count, self.wrong = self._sound(lines[:begin])
        self.more = sum(line.entry.get("op_code") == CREATE_TRIAL for line in lines[self.count : begin])
        self.reader = Reader()
        for line in lines[: self.count]:
            self.reader.line(line.entry)

    def _sound(self, lines: list[Line]) -> tuple[int, str]:
        """How many lines come before one that is damaged, and what is wrong with that."""
        for count, line in enumerate(lines):
            if line.wrong:
                return count, ""
            if wrong := self.reader.line(line.entry) or self._unsound(line.entry):
                return count, f"line {line.number} {wrong}"
        return len(lines), ""

    def _unsound(self, entry: Mapping[str, Any]) -> str:
        if entry["op_code"] not in (CREATE_TRIAL, SET_STATE):
            return ""
        try:
            self.reader.records()
        except DAMAGE:
            return "is of no trial that could be"
        return ""


class _Kept:
    """The journal that grows from the lines that are kept.

    Attributes:
        ids: Where trials stand in it, by where they stood.
        set_back: Those, by where they stood, of which lines may be lost, since they ran when one was.
        most: The last place at which a trial is known to have stood.
    """

    def __init__(self, old: _Old, without: set[int]) -> None:
        states = old.reader.states()
        self.ids = {number: number for number in range(len(states))}
        self.set_back: set[int] = set()
        self.most = len(states) - 1 + old.more
        self._old, self._without = old, without
        self._running = {number for number, state in enumerate(states) if not state}
        self._studies, self._created = old.reader.studies(), old.reader.created
        self._expected = 1
        self._lines: list[bytes] = []
        self._is_whole = True

    @property
    def content(self) -> bytes:
        """The file."""
        return b"".join(self._lines)

    def miss(self) -> None:
        """Takes note that lines are missing here."""
        self._is_whole = False
        self.set_back |= self._running
        self._running = set()

    def add(self, event: _Event) -> None:
        """Takes the next line by number, and what is missing before it into account."""
        if event.number != self._expected:
            self.miss()
        self._expected = event.number + 1
        entry = event.entry
        if event.text:
            if self._is_whole:
                self._lines.append(event.text)
        elif entry["op_code"] == CREATE_STUDY:
            self._create_study(entry)
        elif entry["op_code"] == CREATE_TRIAL:
            self._create_trial(entry)
        elif entry["trial_id"] in self.ids and entry["trial_id"] not in self.set_back:
            self._write({**entry, "trial_id": self.ids[entry["trial_id"]]})
            if entry["op_code"] == SET_STATE and entry["state"]:
                self._running.discard(entry["trial_id"])

    def _create_study(self, entry: Mapping[str, Any]) -> None:
        if entry["study_name"] not in self._studies:
            self._studies[entry["study_name"]] = self._created
            self._created += 1
            self._write(entry)

    def _create_trial(self, entry: Mapping[str, Any]) -> None:
        first, name = entry["trial_id"], entry["study_name"]
        self.most = max(self.most, first)
        if first in self._without:
            return
        worker = {"op_code": CREATE_STUDY, "worker_id": entry["worker_id"]}
        self._create_study({**worker, "study_name": name, "directions": entry["directions"]})
        self.ids[first] = len(self.ids)
        attributes = dict(entry["user_attrs"])
        if RETRIES in attributes:
            attributes[RETRIES] = self.ids.get(attributes[RETRIES])
        places = {"trial_id": self.ids[first], "study_id": self._studies[name]}
        self._write({**entry, **places, "user_attrs": attributes})
        if not entry["state"]:
            self._running.add(first)

    def _write(self, entry: Mapping[str, Any]) -> None:
        own = {name: value for name, value in entry.items() if name != NUMBER}
        self._lines.append(written(own, len(self._lines) + 1))


def _events(content: bytes, lines: list[Line], old: _Old) -> tuple[list[_Event], bool]:
    """The lines that say what they said, by their numbers; none from where two have the same number.

    Returns:
        These lines, and whether others are missing after the last of them.
    """
    texts = content.split(b"\n")
    found: dict[int, _Event] = {}
    end, before, is_sealed = math.inf, 0, False
    for place, line in enumerate(lines, 1):
        if line.is_sealed:
            event = _Event(line.number, line.entry, b"")
            if found.get(line.number, event) != event:
                end = min(end, line.number)
            found[line.number] = event
            before, is_sealed = line.number, True
        else:
            before += 1
            if place <= old.count or (is_sealed and not line.wrong):
                found.setdefault(before, _Event(before, line.entry, texts[place - 1] + b"\n"))
    events = [found[number] for number in sorted(found) if number < end]
    return events, end < math.inf or before > (events[-1].number if events else 0)


def _is_orphan(record: Record | None, records: Mapping[int, Record], sweep: str) -> bool:
    """Whether a record repeats a training of this sweep that is no longer on record as finished."""
    if record is None or not record.finished or not record.reused_from.startswith(f"{sweep}/"):
        return False
    return not any(r.key == record.key and r.finished and not r.reused_from for r in records.values())


def _what_is_wrong(lines: list[Line], old: _Old) -> str:
    found = [f"line {place} {line.wrong}" for place, line in enumerate(lines, 1) if line.wrong]
    found += [old.wrong] if old.wrong else []
    more = len(found) - _SHOWN
    return "; ".join(found[:_SHOWN]) + (f"; and {more} lines more" if more > 0 else "")
