"""The console that the command line prints to."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape


def terminal() -> Console:
    """The console; where output is not a terminal, wide enough for tables to stay readable."""
    return Console(width=None if sys.stdout.isatty() else 140)


def print_json(values: Any) -> None:
    """Prints values for programs, in ASCII where the terminal's encoding may lack a letter."""
    whole = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(values, indent=2, ensure_ascii=not whole))


def show_line(console: Console, text: str) -> None:
    """Prints a line as it is: unbroken, and without markup."""
    console.print(escape(text), highlight=False, emoji=False, soft_wrap=True)
