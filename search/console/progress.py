"""What a person sees while a sweep runs: lines that a terminal redraws, plain ones elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from analysis.alike import without_numbers
from search.console.results import metric_of, value_text
from search.console.spelling import printable
from search.console.status import Status, duration
from search.console.terminal import show_line
from search.definition.sweep import Sweep
from search.records.record import Record, State

_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 60.0
"""Seconds from the start to the first plain line, and the most between two plain lines."""
_SHARE = 0.1
"""Time between two plain lines, as a share of the time that the run has taken."""
_BAR = 12


class ProgressView:
    """Shows a status as it changes.

    Args:
        status: What to show.
        console: Where to show it.
        sweep: Whose status it is.
    """

    def __init__(self, status: Status, console: Console, sweep: Sweep) -> None:
        self._status = status
        self._console = console
        self._sweep = sweep
        self._started = time.monotonic()
        self._next_line = self._started + _FIRST_SECONDS
        self._failures: set[str] = set()
        self._look()
        self._live = (
            Live(console=console, refresh_per_second=2, get_renderable=self.block)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._next_line = self._started + _FIRST_SECONDS
        if self._live is not None:
            self._live.start()
        else:
            show_line(self._console, f"training: {self._status.line()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, record: Record) -> None:
        """Shows a record that is new or has changed."""
        if self._status.update(record) and record.state is State.FAILED and self._is_new(record.reason):
            told = Text.assemble(("failed", "red"), printable(f" {record.name}: {record.reason}"))
            self._console.print(told, soft_wrap=True)
        if self._live is not None:
            self._look()
        elif (now := time.monotonic()) >= self._next_line:
            apart = min(_LONGEST_SECONDS, max(_FIRST_SECONDS, _SHARE * (now - self._started)))
            self._next_line = now + apart
            show_line(self._console, self._status.line())

    def _is_new(self, reason: str) -> bool:
        """Whether no trial of this run has failed for a reason like that; others add to the counts alone."""
        kind = without_numbers(reason)
        new = kind not in self._failures
        self._failures.add(kind)
        return new

    def block(self) -> RenderableType:
        """The lines to redraw: progress, baseline and best of each workload, the last trials."""
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(1, self._total), completed=self._finished, width=_BAR)
        head.add_row(bar, Text(f"{duration(time.monotonic() - self._started)} · {self._counts}"))
        return Group(head, *(Text(printable(line)) for line in self._lines))

    def _look(self) -> None:
        """Copies what `block` shows: another thread reads it while records come in."""
        status = self._status
        self._total, self._finished, self._counts = status.total, status.finished, status.counts()
        several = len(self._sweep.workloads) > 1
        lines = []
        for workload in self._sweep.workloads:
            if led := status.leader(workload):
                lines.append(f"{workload}, {led}" if several else led)
        for record in status.last:
            value = record.value(self._sweep.select)
            shown = "" if value is None else f" {value_text(metric_of(self._sweep.select), value)}"
            lines.append(f"  {record.state.value}{shown}: {record.name}")
        self._lines = lines
