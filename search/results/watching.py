"""Rewrites a report while its sweep runs."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from search.records.holding import is_held
from search.records.mirrored import refresh
from search.records.store import Store

_LOOK_SECONDS = 1.0
"""Seconds between two looks at the records."""
_REST_SECONDS = 5.0
"""The least seconds between two reports."""
_REST_SHARE = 4.0
"""The same, in multiples of the time that a report took: trials need the CPU more."""


def watch(
    store: Store,
    name: str,
    write: Callable[[], Path],
    said: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Writes a report at once, and again whenever records are newer, until the sweep no longer runs.

    The last report has all records. An interrupt ends it sooner.

    Args:
        store: Where the sweep is.
        name: Its name.
        write: Writes the report, and returns its place.
        said: Called with the place and time of each written report.
        sleep: Waits for so many seconds.
    """
    seen: object = None
    while True:
        refresh(store.root)
        running, now = is_held(store.folder(name)), _state(store, name)
        if now == seen:
            if not running:
                return
            sleep(_LOOK_SECONDS)
            continue
        started = time.monotonic()
        said(f"{write()} · {datetime.now():%H:%M:%S}")
        seen = now
        if running:
            sleep(max(_REST_SECONDS, _REST_SHARE * (time.monotonic() - started)))


def _state(store: Store, name: str) -> object:
    """What changes with the records of a sweep: sizes and times of the files behind a report."""
    sources = (store.journal_path(name), store.robustness_path(name), store.folder(name) / "sweep.json")
    states = (path.stat() if path.exists() else None for path in sources)
    return [state and (state.st_size, state.st_mtime_ns) for state in states]
