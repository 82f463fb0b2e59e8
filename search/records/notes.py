"""Notes that a sweep keeps beside its journal: small files that bear their own checksums."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from zlib import crc32

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from search.records.provenance import Run
from trainables.disk import write_atomically
from trainables.remote.files import send
from trainables.sealing import NotWholeError, sealed, unsealed

T = TypeVar("T")
_CONTENT = "content"


class DamagedNoteError(Exception):
    """A note cannot be read, or is not what was written; the message says which, without its path."""


@dataclass(frozen=True)
class Note(Generic[T]):
    """One kind of note.

    Attributes:
        file: Name of its file in the sweep's folder.
        holds: What it holds, checked as it is read.
        lost: What is lost with it, in words.
    """

    file: str
    holds: TypeAdapter[T]
    lost: str


RUNS = Note("runs.json", TypeAdapter(list[Run]), "where the results of its runs so far came from")
VERSIONS = Note("versions.json", TypeAdapter(dict[str, list[str]]), "what its first runs ran with")
CODE = Note(
    "code.json",
    TypeAdapter(dict[str, dict[str, dict[str, str]]]),
    "which of its records are of the code that it last ran with",
)
TOTAL = Note("total.json", TypeAdapter(int), "how many trials it has in all, which is worked out again")
ROBUSTNESS = Note(
    "robustness.json", TypeAdapter(dict[str, dict[str, float]]), "what `dropattack robustness` measured"
)
REPORT = Note("report.json", TypeAdapter(str), "whether its report is as it was written")


class NotedVerdicts(TypedDict):
    """What a sweep's records showed when they were last looked at.

    Attributes:
        finished: How many trials were finished then.
        verdicts: `analysis.questions.verdict.Verdict.to_dict` of every workload.
    """

    finished: int
    verdicts: list[dict[str, Any]]


VERDICT = Note(
    "verdict.json", TypeAdapter(NotedVerdicts), "its verdict, which `dropattack report` writes anew"
)
DATA = Note("data.json", TypeAdapter(list[str]), "which of its datasets are not complete")
EXTENT = Note(
    "journal.json", TypeAdapter(int), "how long its journal was, which shows when that is cut short"
)
LANDSCAPES = Note(
    "landscapes.json",
    TypeAdapter(dict[str, list[tuple[float, float, float, float]]]),
    "the points of its loss landscapes, which `dropattack report --landscape` computes again",
)
"""By model, test examples and directions: where each point lies, its loss and its accuracy."""
NOTES: tuple[Note[Any], ...] = (
    RUNS,
    VERSIONS,
    CODE,
    TOTAL,
    ROBUSTNESS,
    REPORT,
    VERDICT,
    DATA,
    EXTENT,
    LANDSCAPES,
)


def read_note(folder: Path, note: Note[T]) -> T | None:
    """What a note of a sweep's folder holds; nothing where there is none.

    Raises:
        DamagedNoteError: It is damaged, or of another version of this program.
    """
    values, has_checksum = read_sealed(folder / note.file)
    if values is None:
        return None
    try:
        return note.holds.validate_python(values[_CONTENT] if has_checksum else values)
    except (ValidationError, KeyError):
        raise DamagedNoteError("holds something else") from None


def read_sealed(path: Path) -> tuple[Any, bool]:
    """The values of a JSON file, and whether it bears a checksum; nothing where there is no file.

    Raises:
        DamagedNoteError: It cannot be read, or its checksum is another.
    """
    try:
        return unsealed(path.read_bytes())
    except FileNotFoundError:
        return None, False
    except OSError as error:
        raise DamagedNoteError(f"cannot be read: {error.strerror}") from error
    except NotWholeError as error:
        raise DamagedNoteError(str(error)) from None


def write_note(folder: Path, note: Note[T], value: T) -> Path | None:
    """Writes a note; one that was damaged is kept beside it.

    Returns:
        Where the damaged one is kept, or nothing.
    """
    try:
        read_note(folder, note)
        aside = None
    except DamagedNoteError:
        aside = set_aside(folder / note.file)
    write_sealed(folder / note.file, {_CONTENT: note.holds.dump_python(value, mode="json")}, 1)
    return aside


def write_sealed(path: Path, values: Mapping[str, Any], indent: int) -> None:
    """Writes values as JSON that bears its checksum, all of it or nothing."""
    write_atomically(path, sealed(values, indent))
    send(path)


def note_report(path: Path) -> None:
    """Notes a report as it stands now, written a moment ago."""
    write_note(path.parents[1], REPORT, _checksum(path.read_bytes()))


def report_is_whole(path: Path) -> bool:
    """Whether a report is there and as it was written; reports from before that was noted are."""
    try:
        noted = read_note(path.parents[1], REPORT)
        return noted in (None, _checksum(path.read_bytes()))
    except (DamagedNoteError, OSError):
        return False


def _checksum(content: bytes) -> str:
    return f"{crc32(content):08x}"


def set_aside(path: Path) -> Path:
    """Keeps a damaged file as ``NAME.damaged-N`` beside where it was, and overwrites none.

    Returns:
        Where it is now.
    """
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    return path.rename(aside)
