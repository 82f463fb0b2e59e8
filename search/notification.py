"""Posts one message to the user's address when a run of a sweep ends, fails or is interrupted."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import requests
from rich.console import Console

from dropattack import UsageError
from search.console.status import duration
from search.console.terminal import show_line
from search.definition.sweep import Sweep
from search.records.notes import VERDICT, NotedVerdicts
from search.records.record import Record, State
from search.records.redaction import without_credentials
from search.records.store import Store
from search.results.outcome import Outcome
from trainables.remote.mirror import mirror_of

_log = logging.getLogger(__name__)
PATIENCE_SECONDS = 5.0
"""Seconds that the address has for its answer, in each of the two tries."""
PAUSE_SECONDS = 1.0
"""Seconds between the two tries."""
_COUNTED = {
    "complete": State.COMPLETE,
    "stopped": State.PRUNED,
    "failed": State.FAILED,
    "unfinished": State.RUNNING,
}
FINISHED, LIMIT, INTERRUPTED, FAILED = "finished", "limit", "interrupted", "failed"


def post(url: str, message: dict[str, Any], patience: float = PATIENCE_SECONDS) -> str:
    """Posts a message as JSON, and once more if nothing answers or the server fails.

    It follows no redirection: the message goes where the user said, or nowhere.

    Returns:
        Why it did not arrive, without the address; empty if it did.
    """
    why = ""
    for wait in (PAUSE_SECONDS, 0.0):
        try:
            with requests.post(
                url, json=message, timeout=patience, allow_redirects=False, stream=True
            ) as answer:
                status = answer.status_code
        except (requests.RequestException, ValueError) as error:
            why = _why(error, patience)
        else:
            if status < 300:
                return ""
            why = f"it answered with status {status}"
            if status < 400:
                return f"{why}, a redirection; set notify.url to its target"
            if status < 500:
                return why
        time.sleep(wait)
    return f"{why}, twice"


def _why(error: Exception, patience: float) -> str:
    if isinstance(error, requests.Timeout):
        return f"it did not answer within {patience:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.ConnectionError):
        return "it cannot be reached"
    return "nothing can be posted to it"


def message_of(
    sweep: str,
    store: Store,
    state: str,
    records: Sequence[Record] | None,
    seconds: float,
    verdict: NotedVerdicts | None,
    error: str = "",
) -> dict[str, Any]:
    """The message, as plain values.

    Args:
        sweep: Name of the sweep.
        store: Where it is kept.
        state: ``finished``, ``limit``, ``interrupted``, or ``failed`` if an error ended the run.
        records: Its records; none where they cannot be read.
        seconds: How long the run took.
        verdict: What the records show.
        error: What ended the run, or nothing.
    """
    counts: dict[str, int | None] = dict.fromkeys(_COUNTED)
    if records is not None:
        counts = {name: sum(r.state is state for r in records) for name, state in _COUNTED.items()}
    said = [f"{each['workload']}: {each['lines'][0]}" for each in verdict["verdicts"]] if verdict else []
    words = {LIMIT: "ended at its limit"}.get(state, state)
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    parts = [f"{words} after {duration(seconds)}", told, error, *said]
    return {
        "sweep": sweep,
        "state": state,
        "trials": {**counts, "total": store.total(sweep)},
        "verdict": "; ".join(said),
        "error": error,
        "store": store.name if mirror_of(store.root) else str(store.root.resolve()),
        "seconds": round(seconds, 1),
        "text": f"{sweep} {'; '.join(filter(None, parts))}",
    }


class End:
    """The end of a run, and where to post it.

    Args:
        sweep: The sweep; its ``notify`` holds the address.
        store: Where it is kept.
    """

    def __init__(self, sweep: Sweep, store: Store) -> None:
        self._sweep = sweep
        self._store = store
        self._started = time.monotonic()

    def tell(self, state: str, records: Sequence[Record] | None = None, error: str = "") -> str:
        """Posts the message; returns a line on why it did not arrive, or nothing.

        Args:
            state: See `message_of`.
            records: Those of the sweep; what is in the store by default.
            error: What ended the run, or nothing.
        """
        notify, name = self._sweep.notify, self._sweep.name
        if notify is None:
            return ""
        verdict: NotedVerdicts | None = None
        try:
            records = self._store.journal(self._sweep).records if records is None else records
            verdict = self._store.noted(name, VERDICT)
        except (UsageError, OSError) as broken:
            _log.warning("the message about the end has no counts: %s", broken)
        took = time.monotonic() - self._started
        message = message_of(name, self._store, state, records, took, verdict, without_credentials(error))
        why = post(notify.url, message)
        return f"the message about the sweep's end did not reach {notify.host}: {why}" if why else ""

    def interrupted(self) -> None:
        """Posts that an interruption ends the process at once."""
        self.tell(INTERRUPTED)

    def after(self, outcome: Outcome) -> Outcome:
        """Posts the outcome of a run; returns the outcome, with a warning if the message did not arrive."""
        state = INTERRUPTED if not outcome.done else LIMIT if outcome.limit else FINISHED
        why = self.tell(state, outcome.records)
        return replace(outcome, warning="; ".join(filter(None, [outcome.warning, why]))) if why else outcome


@contextmanager
def telling(sweep: Sweep, store: Store, console: Console) -> Iterator[End]:
    """Posts an error or an interruption to a sweep's address; a refused request is no run.

    Yields:
        The end, which posts any other one.
    """
    end = End(sweep, store)
    try:
        yield end
    except UsageError:
        raise
    except BaseException as error:
        state = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        said = " ".join(str(error).split()) or type(error).__name__
        if why := end.tell(state, error=said if state == FAILED else ""):
            show_line(console, f"warning: {why}")
        raise
