"""Lists in columns: a line for each entry, which fits a narrow terminal."""

import re
import textwrap
from collections.abc import Sequence

from rich.console import Console

from search.console.terminal import show_line

WIDTH = 100
"""The most characters in a line of a list."""


def show_columns(console: Console, rows: Sequence[Sequence[str]]) -> None:
    """Shows rows in columns as wide as they need; the last column is cut at the end of the line.

    Args:
        console: Where to show them.
        rows: Cells, as many in each row.
    """
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for row in rows:
        head = "".join(f"{cell:<{width}}  " for cell, width in zip(row[:-1], widths, strict=True))
        show_line(console, (head + cut(row[-1], max(0, WIDTH - len(head)))).rstrip())


def show_facts(console: Console, title: str, facts: Sequence[tuple[str, str]]) -> None:
    """Shows the facts about one entry, by name; long ones continue on the next line."""
    for line in textwrap.wrap(title, WIDTH, break_on_hyphens=False, break_long_words=False):
        show_line(console, line)
    width = max(len(name) for name, _ in facts) + 4
    for name, text in facts:
        lines = textwrap.wrap(text, WIDTH - width, break_on_hyphens=False, break_long_words=False)
        for number, line in enumerate(lines):
            show_line(console, f"  {'' if number else name:<{width - 4}}  {line}")


def cut(text: str, width: int) -> str:
    """A text, cut between words where it is longer than a width.

    Examples:
        >>> cut("Does DropAttack help?", 12)
        'Does…'
    """
    if len(text) <= width:
        return text
    whole = text[:width].rpartition(" ")[0]
    return f"{whole.rstrip(' ,;:.')}…" if whole else text[: max(0, width - 1)] + "…" * (width > 0)


def first_sentence(text: str) -> str:
    """The first sentence of a text.

    Examples:
        >>> first_sentence("Plain training, p. 3 of it. No attack.")
        'Plain training, p. 3 of it.'
    """
    found = re.match(r".*?[.?!](?= [A-Z(]|$)", " ".join(text.split()))
    return found[0] if found else " ".join(text.split())
