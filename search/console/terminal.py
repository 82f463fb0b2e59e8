"""The console that the command line prints to."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text
from typing_extensions import override

from search.console.spelling import printable


class _Plain(Console):
    """A console that prints text as it is: it interprets no markup, emoji or control characters."""

    @override
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def terminal() -> Console:
    """The console; 140 columns wide if output is no terminal, so that tables stay readable."""
    return _Plain(width=None if sys.stdout.isatty() else 140, markup=False, emoji=False)


def print_json(values: Any) -> None:
    """Prints values for programs as JSON, in ASCII if the encoding may lack a letter."""
    whole = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(values, indent=2, ensure_ascii=not whole)
    print("\n".join(map(printable, text.split("\n"))))


def show_line(console: Console, text: str) -> None:
    """Prints a line as it is: unbroken, and without markup."""
    console.print(printable(text), markup=False, highlight=False, emoji=False, soft_wrap=True)
