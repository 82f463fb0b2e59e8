"""How far sweeps are: one in full, or all of a store in a line each."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console

from dropattack import UsageError
from search.console.columns import show_columns
from search.console.status import Status
from search.console.terminal import show_line
from search.console.verdict import first_words
from search.definition.sweep import Sweep
from search.records.holding import is_held
from search.records.notes import VERDICT, NotedVerdicts
from search.records.record import Record
from search.records.store import Store


class Standing(NamedTuple):
    """A sweep of a store as it stands.

    Attributes:
        sweep: Its definition.
        records: Its records.
        status: Their counts, pace and best results.
        running: Whether it runs now.
    """

    sweep: Sweep
    records: Sequence[Record]
    status: Status
    running: bool


def standing_of(store: Store, name: str, exact: bool = True) -> Standing:
    """How far one sweep is.

    Args:
        store: Where it is kept.
        name: Its name.
        exact: Whether to count the sweep's trials if their number is not noted; counting imports torch.

    Raises:
        UsageError: It has not been run, or cannot be read.
    """
    sweep = store.recorded(name)
    running = is_held(store.folder(name))
    records = store.journal(sweep).records
    total = store.total(name)
    if total is None and exact:
        from search.engine.proposers import total_of

        total = total_of(sweep)
    return Standing(sweep, records, Status(sweep, records, total or 0, running), running)


def standings(store: Store) -> dict[str, Status | str]:
    """How far every sweep of a store is, by name, or why it cannot be read."""
    found: dict[str, Status | str] = {}
    for name in store.sweeps():
        try:
            found[name] = standing_of(store, name, exact=False).status
        except UsageError as error:
            found[name] = str(error)
    return found


def show_standings(console: Console, store: Store) -> None:
    """Shows how far every sweep of a store is, one line each."""
    found = standings(store)
    if not found:
        show_line(console, f"no sweep has been run in {store.name}; `dropattack run demo` runs a first one")
        return
    verdicts = {name: store.noted(name, VERDICT) for name in found}
    show_columns(console, [_row(name, found[name], verdicts[name]) for name in found])
    for name, status in found.items():
        if isinstance(status, str):
            show_line(console, f"{name}: {status}")


def _row(name: str, status: Status | str, noted: NotedVerdicts | None) -> Sequence[str]:
    if isinstance(status, str):
        return name, "damaged", "", ""
    failed = f"{len(status.failures)} failed" if status.failures else ""
    shown = first_words(noted)
    if shown and noted is not None and noted["finished"] < status.finished:
        shown += f" after the first {noted['finished']}"
    parts = " · ".join(filter(None, [shown, failed, status.stage, status.time_left]))
    return name, status.standing, f"{status.finished}/{status.total}", parts


def plain_standings(store: Store) -> list[dict[str, Any]]:
    """How far every sweep of a store is, as plain values for JSON."""
    return [
        {"sweep": name, "standing": "damaged", "reason": status}
        if isinstance(status, str)
        else status.to_dict() | _outcomes(store.noted(name, VERDICT))
        for name, status in standings(store).items()
    ]


def _outcomes(noted: NotedVerdicts | None) -> dict[str, dict[str, str]]:
    """The noted verdict's outcome at equal cost, and that of arms that met, by workload."""
    verdicts = noted["verdicts"] if noted is not None else []
    return {
        answer: {str(each["workload"]): str(each[answer]["outcome"]) for each in verdicts if each.get(answer)}
        for answer in ("equal_cost", "contest")
    }
