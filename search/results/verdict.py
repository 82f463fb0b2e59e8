"""What a sweep's records show: worked out when its report is written, and noted for whoever asks later."""

from typing import TYPE_CHECKING

from search.records.notes import VERDICT, NotedVerdicts
from search.records.store import Store

if TYPE_CHECKING:
    from analysis.records import Records


def verdicts_of(tables: "Records") -> NotedVerdicts:
    """The verdict of every workload, as plain values."""
    from analysis.questions.verdict import verdicts
    from analysis.records import RUNNING

    finished = int((tables.trials["state"] != RUNNING).sum())
    return {"finished": finished, "verdicts": [verdict.to_dict() for verdict in verdicts(tables)]}


def note_verdicts(store: Store, name: str, tables: "Records") -> None:
    """Notes what a sweep's records show."""
    store.note(name, VERDICT, verdicts_of(tables))
