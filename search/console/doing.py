"""Shows at once what a slow command is doing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from search.console.status import duration
from search.console.terminal import show_line


@contextmanager
def doing(console: Console, what: str, may_refuse: bool = False) -> Iterator[None]:
    """Shows what is done while the context lasts: with a clock on a terminal, as a plain line elsewhere.

    Args:
        console: Where to show it.
        what: Such as ``starting Ray``.
        may_refuse: Whether the request may still be refused. Then no plain line is printed: a refused request
            gets one line, its refusal.
    """
    if not console.is_terminal:
        if not may_refuse:
            show_line(console, f"{what}…")
        yield
        return
    started = time.monotonic()

    def line() -> Text:
        return Text(f"{what}… {duration(time.monotonic() - started)}")

    with Live(console=console, refresh_per_second=2, transient=True, get_renderable=line):
        yield
