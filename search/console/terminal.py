"""The console that the command line prints to."""

import sys

from rich.console import Console
from rich.markup import escape


def terminal() -> Console:
    """The console; where output is not a terminal, wide enough for tables to stay readable."""
    return Console(width=None if sys.stdout.isatty() else 140)


def show_line(console: Console, text: str) -> None:
    """Prints a line as it is: unbroken, and without markup."""
    console.print(escape(text), highlight=False, emoji=False, soft_wrap=True)
