"""What PyYAML finds wrong with a text, in words for people: which line, and what to write instead."""

import re
from collections.abc import Callable, Sequence

import yaml

from dropattack.errors import shortened

_MOST = 60
"""The most characters of a line that are quoted."""
_TEXT_BELOW = "text after | or > stands in the lines below, deeper than its key"
_LIST = "a list begins below its key, or is written as [a, b]"
_KEY = re.compile(r"[\s-]*[^\s:#][^:#]*:(\s|$)")
"""A line that begins with a key and its colon."""


class PlainError(yaml.MarkedYAMLError):
    """What this program finds wrong, in words for people already."""


class _Seen:
    """An error with the lines that it is about.

    Attributes:
        line: The line, from 1, where PyYAML noticed it.
        begun: The line where what is wrong begins, such as that of an open bracket.
        problem: PyYAML's words.
        context: What PyYAML was doing.
    """

    def __init__(self, error: yaml.MarkedYAMLError, text: str) -> None:
        mark = error.problem_mark or error.context_mark
        began = error.context_mark or mark
        self.line = mark.line + 1 if mark else 1
        self.column = mark.column if mark else 0
        self.begun = began.line + 1 if began else self.line
        self.problem, self.context = str(error.problem or ""), str(error.context or "")
        self._lines = text.splitlines()

    def text(self, line: int) -> str:
        """A line without its indentation."""
        return self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""

    def indent(self, line: int) -> int:
        """How many spaces a line begins with."""
        return len(self._lines[line - 1]) - len(self._lines[line - 1].lstrip(" "))

    def before(self) -> int:
        """The last line before that has more than a comment; 0 if there is none."""
        lines = range(self.line - 1, 0, -1)
        return next((n for n in lines if self.text(n) and not self.text(n).startswith("#")), 0)

    def open_before(self, opening: str, closing: str) -> int:
        """The last line before with a bracket that it does not close; 0 if there is none."""
        lines = range(self.line - 1, 0, -1)
        return next((n for n in lines if self.text(n).count(opening) > self.text(n).count(closing)), 0)


Words = Callable[[_Seen, re.Match[str]], tuple[int, str]]


def in_words(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line of an error, from 1, and what is wrong and what to do.

    Args:
        error: What reading the text raised.
        text: The whole text.
    """
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"it holds the character {error.character:#06x}, which no text has; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, "it cannot be read"
    seen = _Seen(error, text)
    if isinstance(error, PlainError):
        return seen.line, seen.problem
    for pattern, words in _WORDS:
        if found := re.search(pattern, seen.problem):
            return words(seen, found)
    return _not_understood(seen)


def _not_understood(seen: _Seen) -> tuple[int, str]:
    return seen.line, f"{_quoted(seen, seen.line)} is not understood; put text in quotes"


def _quoted(seen: _Seen, line: int) -> str:
    return repr(shortened(seen.text(line), _MOST))


def _character(seen: _Seen, found: re.Match[str]) -> tuple[int, str]:
    character = found[1]
    if character == "\\t":
        return seen.line, "a tab stands where only spaces may; indent with spaces"
    return seen.line, f"a value cannot begin with {character}; put it in quotes, such as '{character}…'"


def _two_keys(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    """A colon where none may be: within a value, after a line without one, or in a line that is too deep."""
    before = seen.before()
    own = seen.text(seen.line)
    if _KEY.match(own[: seen.column - seen.indent(seen.line)]):
        return seen.line, f"{_quoted(seen, seen.line)} has two colons; put the value in quotes"
    if before and re.match(r"-[^\s-]", seen.text(before)):
        return before, f"{_quoted(seen, before)} lacks a space after its dash"
    if before and not _KEY.match(seen.text(before)):
        return _lacks_colon(seen, before)
    deeper = "is indented deeper than the line before, which has a value already"
    return seen.line, f"{_quoted(seen, seen.line)} {deeper}; give both as many spaces"


def _lacks_colon(seen: _Seen, line: int) -> tuple[int, str]:
    has = re.match(r"[^\s:]+:\S", seen.text(line).removeprefix("- ").replace("\N{NO-BREAK SPACE}", "_"))
    wanted = "a space after its colon" if has else "a colon after its key"
    return line, f"{_quoted(seen, line)} lacks {wanted}; write key: value"


def _key(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    return _lacks_colon(seen, seen.begun)


def _block(seen: _Seen, found: re.Match[str]) -> tuple[int, str]:
    if found[1] in ("]", "}"):
        return seen.line, f"this {found[1]} closes nothing; remove it"
    quoted = _quoted(seen, seen.line)
    if found[1] in ("<scalar>", ","):
        return seen.line, f"{quoted} goes on after its value has ended; put the whole value in quotes"
    return seen.line, f"{quoted} is indented unlike the lines that it belongs to; give all as many spaces"


def _bracket(seen: _Seen, found: re.Match[str]) -> tuple[int, str]:
    opened = "[" if found[1] == "]" else "{"
    if seen.line == seen.begun and found[2] not in ("<stream end>", "<document end>"):
        return seen.line, f"{_quoted(seen, seen.line)} lacks a comma or a {found[1]}"
    return seen.begun, _not_closed(opened, found[1])


def _not_closed(opening: str, closing: str) -> str:
    return f"the {opening} of this line is not closed; write {closing} where it ends"


def _quote(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    return seen.begun, "the quote that begins in this line is not closed"


def _name(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    sign = "&" if "anchor" in seen.context else "*"
    return seen.line, f"a value that begins with {sign} must be in quotes, such as '{sign}.w'"


def _no_key(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    before = seen.before()
    if before and not _KEY.match(seen.text(before)):
        return _lacks_colon(seen, before)
    if before and seen.indent(before) > seen.indent(seen.line):
        return before, f"{_quoted(seen, before)} is indented deeper than the lines that follow"
    return _not_understood(seen)


def _no_value(seen: _Seen, found: re.Match[str]) -> tuple[int, str]:
    if found[1] != "-":
        return seen.line, f"a value cannot begin with {found[1]}; remove it, or put the value in quotes"
    if not seen.text(seen.line).startswith("-"):
        return seen.line, _LIST
    for opening, closing in ("[]", "{}"):
        if opened := seen.open_before(opening, closing):
            return opened, _not_closed(opening, closing)
    return _not_understood(seen)


def _alias(seen: _Seen, found: re.Match[str]) -> tuple[int, str]:
    return seen.line, f"*{found[1]} stands for nothing; put a value that begins with * in quotes"


def _tag(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    return seen.line, "a value cannot begin with !; put it in quotes"


def _escape(seen: _Seen, _: re.Match[str]) -> tuple[int, str]:
    return seen.line, "a backslash in double quotes begins a special character; use single quotes"


def _says(words: str) -> Words:
    return lambda seen, _: (seen.line, words)


_WORDS: Sequence[tuple[str, Words]] = (
    (r"found character '(.+)' that cannot start", _character),
    ("mapping values are not allowed", _two_keys),
    ("could not find expected ':'", _key),
    (r"expected ',' or '([\]}])', but got '(.+)'", _bracket),
    (r"expected <block end>, but found '(.+)'", _block),
    ("expected '<document start>'", _no_key),
    (r"expected the node content, but found '(.+)'", _no_value),
    ("sequence entries are not allowed", _says(_LIST)),
    ("found unexpected (end of stream|document separator)", _quote),
    ("expected alphabetic or numeric character", _name),
    ("found undefined alias '(.*)'", _alias),
    ("determine a constructor|undefined tag handle|expected URI|expected '!'", _tag),
    ("unknown escape character|escape sequence", _escape),
    ("found another document", _says("--- begins a second document; a file holds one sweep")),
    (
        "chomping or indentation|expected a comment or a line break",
        _says(_TEXT_BELOW),
    ),
    ("for merging", _says("<< takes a mapping that stands elsewhere in the file, such as *name")),
    ("leading empty lines contain more spaces", _says("empty lines begin with more spaces than the text")),
    ("found duplicate anchor", _says("a name that & gives is there twice; rename one")),
)
"""PyYAML's words for a problem, and what is told instead; the first that is found."""
