"""Lines on standard error, apart from the requested output."""

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from search.console.command import say

if TYPE_CHECKING:
    from search.definition.sweep import Sweep
    from search.records.store import Store

_MOST = 3
"""How many keys of an edited file are named."""


def say_all(lines: Iterable[str]) -> None:
    """Prints each line on standard error, as `say` does."""
    for line in lines:
        say(line)


def edited_file(source: str, ran: "Sweep") -> list[str]:
    """A line that says where a sweep's file was edited since the sweep ran, and what is answered by.

    Args:
        source: What a person named: a file, or else nothing is said.
        ran: The sweep as it was last run.
    """
    from search.definition.yamlfile import SUFFIXES

    if Path(source).suffix not in SUFFIXES:
        return []
    from search.definition.edited import as_it_is_now, differing_keys

    now = as_it_is_now(source, ran)
    keys = differing_keys(now, ran)
    if not keys:
        return []
    named = keys if len(keys) <= _MOST else [*keys[:_MOST], f"{len(keys) - _MOST} more"]
    by = f" ({ran.select.rule})" if "select" in keys else ""
    return [
        f"{source} differs from what {ran.name} ran with, in {' and '.join(named)}; the answer is by what it "
        f"ran with{by}; {_to_follow(source, now, ran)}"
    ]


def _to_follow(source: str, now: "Sweep", ran: "Sweep") -> str:
    """What makes answers follow an edited file."""
    from dropattack import UsageError
    from search.engine.compatibility import check_extends

    try:
        check_extends(ran, now)
    except UsageError:
        return f"for answers by the file, run it under another `name`, since {ran.name} cannot be changed so"
    return f"`dropattack run {source}` makes answers follow the file, and trains only what is missing"


def changed_code(store: "Store", sweep: "Sweep") -> list[str]:
    """Lines about user code that has changed since a sweep last ran; shipped code is not compared."""
    noted = store.code(sweep.name)
    if not any(modules for methods in noted.values() for modules in methods.values()):
        return []
    from search.engine.code import remarks_on_changes

    last = next((run.of.host for run in reversed(store.runs(sweep.name))), "")
    return remarks_on_changes(noted, sweep, ran_here=last == platform.node())
