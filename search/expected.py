"""How many trials a running sweep will have, kept up to date for who watches it, here or from outside."""

from search.console.status import Status
from search.definition.sweep import Sweep
from search.engine.engine import Engine
from search.records.record import Record
from search.records.store import Store


class Expected:
    """Tells the status of a run, and other processes by a note, how many trials there will be.

    A race may need fewer than it might, which is known when it ends.

    Args:
        engine: What runs.
        sweep: The whole sweep; where the engine runs some of its workloads, the note stays.
        store: Where it is noted.
        status: What shows it here.
    """

    def __init__(self, engine: Engine, sweep: Sweep, store: Store, status: Status) -> None:
        self._engine, self._store, self._status = engine, store, status
        self._name, self._is_whole = sweep.name, engine.sweep is sweep
        self._noted = engine.total

    def __call__(self, record: Record) -> None:
        """Looks again, since a record has changed."""
        total = self._engine.total
        self._status.expect(total)
        if total != self._noted and self._is_whole:
            self._store.note_total(self._name, total)
            self._noted = total
