"""What a person sees while a sweep runs: a live line on a terminal, a plain line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from search.record import Record, State
from search.sweep import Sweep
from search.tracking import run_name

_LINE_INTERVAL_SECONDS = 5.0


class ProgressView:
    """Shows counts, the best so far and the time left, as records change.

    Args:
        sweep: What runs.
        console: Where to show it.
        total: How many trials there will be.
        records: Those there are already.
    """

    def __init__(self, sweep: Sweep, console: Console, total: int, records: list[Record]) -> None:
        self._sweep = sweep
        self._console = console
        self._total = total
        self._states = {(r.number, r.key): r.state for r in records}
        self._finished_before = sum(record.finished for record in records)
        self._best: Record | None = None
        self._trained = 0
        for record in records:
            self._note_best(record)
        self._started = time.monotonic()
        self._next_line = self._started + _LINE_INTERVAL_SECONDS
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task(sweep.name, total=total, completed=self._finished_before)
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
        before = self._states.get((record.number, record.key))
        self._states[record.number, record.key] = record.state
        if record.finished and before is not record.state:
            self._trained += not record.reused_from
            if record.state is State.FAILED:
                name = escape(run_name(record.trial))
                self._console.print(f"[red]failed[/red] {name}: {escape(record.reason)}", highlight=False)
        self._note_best(record)
        self._bar.update(self._task, description=self._summary(), completed=self._count_finished())
        if self._live is None and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_INTERVAL_SECONDS
            text = f"{self._count_finished()}/{self._total} {self._summary()}"
            self._console.print(text, highlight=False, soft_wrap=True)

    def _note_best(self, record: Record) -> None:
        select = self._sweep.select
        value = record.value(select)
        best = self._best.value(select) if self._best else None
        if value is not None and (best is None or select.sign * value > select.sign * best):
            self._best = record

    def _count_finished(self) -> int:
        return sum(state is not State.RUNNING for state in self._states.values())

    def _summary(self) -> str:
        states = list(self._states.values())
        parts = [f"{states.count(state)} {state.value}" for state in State if states.count(state)]
        if self._best is not None:
            value = self._best.value(self._sweep.select)
            parts.append(f"best {self._sweep.select.column} {value:.4g}")
        parts.append(self._time_left())
        return " · ".join(part for part in parts if part)

    def _time_left(self) -> str:
        finished = self._count_finished() - self._finished_before
        left = self._total - self._count_finished()
        if not finished or not left:
            return ""
        seconds = (time.monotonic() - self._started) / finished * left
        return f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """A time span for people: ``42 s``, ``3 min``, ``1.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
