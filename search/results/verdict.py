"""What a sweep's records show: computed when its report is written, and noted for later commands."""

from typing import TYPE_CHECKING

from search.records.notes import VERDICT, NotedVerdicts
from search.records.store import Store

if TYPE_CHECKING:
    from analysis.records import Records


def verdicts_of(tables: "Records") -> NotedVerdicts:
    """The verdict of every workload, as plain values; for several aims with lines on the front."""
    from analysis.questions.verdict import verdicts
    from analysis.records import RUNNING
    from analysis.sections.front import front_lines

    finished = int((tables.trials["state"] != RUNNING).sum())
    fronts = front_lines(tables)
    found = [verdict.to_dict() for verdict in verdicts(tables)]
    for plain in found:
        plain |= {"front": fronts[plain["workload"]]} if plain["workload"] in fronts else {}
    return {"finished": finished, "verdicts": found}


def note_verdicts(store: Store, name: str, tables: "Records") -> None:
    """Notes what a sweep's records show."""
    store.note(name, VERDICT, verdicts_of(tables))
