"""The lines of a journal: each has its number and a checksum, which show any change, loss or move.

Journals of earlier versions begin with lines that bear neither. They are read as they are; what is added
to them counts on from there.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from trainables.sealing import CHECKSUM, NotWholeError, sealed, unsealed

NUMBER = "line"
"""Key of a line's own number in the journal, counted from 1."""

CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL, SET_STATE, SET_ATTRIBUTE = 0, 1, 4, 6, 8
"""Operations that a record is made of, as `optuna.storages.journal` numbers them."""

_NOTES = (2, 3, 9)
"""Operations by which other tools note something beside the records: attributes of a study, of a system."""


class Line(NamedTuple):
    """A line as it stands in a file.

    Attributes:
        number: Its own number where it is sealed, else its place in the file, counted from 1.
        entry: The operation; empty where the line cannot be read.
        wrong: What is wrong with it there, or nothing.
        is_sealed: Whether it has its number and a correct checksum.
    """

    number: int
    entry: Mapping[str, Any]
    wrong: str = ""
    is_sealed: bool = False


def written(entry: Mapping[str, Any], number: int) -> bytes:
    """An operation as the line of that number, with its end."""
    return sealed({**entry, NUMBER: number}) + b"\n"


def lines_of(content: bytes) -> Iterator[Line]:
    """The lines of a journal, in the order of the file.

    Args:
        content: The file; a last line without its end is left out: it is being written, or never was.
    """
    sealed_before = False
    for place, text in enumerate(content.split(b"\n")[:-1], 1):
        line = _read(text, place)
        if not line.wrong:
            if line.is_sealed and line.number != place:
                line = line._replace(wrong=f"is the line that was written as number {line.number}")
            elif sealed_before and not line.is_sealed and line.entry.get("op_code") not in _NOTES:
                line = line._replace(wrong="bears no checksum, unlike those before it")
        sealed_before = sealed_before or line.is_sealed
        yield line


def _read(text: bytes, place: int) -> Line:
    try:
        entry, has_checksum = unsealed(text)
    except NotWholeError as error:
        return Line(place, {}, str(error))
    if not isinstance(entry, dict):
        return Line(place, {}, "is no operation")
    number = entry.get(NUMBER)
    if has_checksum is not (number is not None) or not isinstance(number, int | None):
        return Line(place, {}, f"bears only one of {NUMBER} and {CHECKSUM}")
    return Line(number or place, entry, is_sealed=has_checksum)
