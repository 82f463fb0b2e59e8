"""Lines on standard error, apart from the requested output."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from search.console.command import say

if TYPE_CHECKING:
    from search.definition.sweep import Sweep
    from search.records.store import Store


def say_all(lines: Iterable[str]) -> None:
    """Prints each line on standard error, as `say` does."""
    for line in lines:
        say(line)


def changed_code(store: "Store", sweep: "Sweep") -> list[str]:
    """Lines about user code that has changed since a sweep last ran; shipped code is not compared."""
    noted = store.code(sweep.name)
    if not any(modules for methods in noted.values() for modules in methods.values()):
        return []
    from search.engine.code import remarks_on_changes

    return remarks_on_changes(noted, sweep)
