"""A verdict in the terminal: the same five sentences as on the report's first screen."""

from rich.console import Console

from search.console.terminal import show_line
from search.records.notes import NotedVerdicts


def show_verdict(console: Console, noted: NotedVerdicts | None, finished: int, sweep: str) -> None:
    """Shows what a sweep's records show; nothing where that was never worked out.

    Args:
        console: Where to.
        noted: What was noted.
        finished: How many trials are finished by now.
        sweep: Name of the sweep.
    """
    if noted is None:
        return
    several = len(noted["verdicts"]) > 1
    for verdict in noted["verdicts"]:
        if several:
            show_line(console, f"{verdict['workload']}:")
        for line in verdict["lines"]:
            show_line(console, f"{'  ' * several}{line}")
    if noted["verdicts"] and noted["finished"] < finished:
        seen = f"this is of the first {noted['finished']} of {finished} finished trials"
        show_line(console, f"{seen}; `dropattack report {sweep}` looks at all of them")
