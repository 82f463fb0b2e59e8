"""What a person sees while a sweep runs: a live bar on a terminal, a plain line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from search.console.status import Status
from search.records.record import Record, State

_LINE_INTERVAL_SECONDS = 5.0


class ProgressView:
    """Shows a status as it changes.

    Args:
        status: What to show.
        console: Where to show it.
    """

    def __init__(self, status: Status, console: Console) -> None:
        self._status = status
        self._console = console
        self._next_line = time.monotonic() + _LINE_INTERVAL_SECONDS
        self._bar = Progress(
            BarColumn(), TextColumn("{task.description}"), console=console, auto_refresh=False
        )
        self._task = self._bar.add_task("", total=status.total, completed=status.finished)
        self._live = Live(self._bar, console=console, refresh_per_second=2) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, record: Record) -> None:
        """Takes note of a record that is new or has changed."""
        if self._status.update(record) and record.state is State.FAILED:
            text = f"[red]failed[/red] {escape(record.name)}: {escape(record.reason)}"
            self._console.print(text, highlight=False, emoji=False, soft_wrap=True)
        if self._live is not None:
            self._bar.update(self._task, description=self._status.line(), completed=self._status.finished)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_INTERVAL_SECONDS
            self._console.print(self._status.line(), highlight=False, emoji=False, soft_wrap=True)
