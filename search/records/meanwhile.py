"""What other sweeps of a store record while a sweep runs beside them."""

import logging
from pathlib import Path

from dropattack import UsageError
from search.records.holding import is_held
from search.records.mirrored import refresh_others
from search.records.record import Record, State
from search.records.store import Store

_log = logging.getLogger(__name__)


class Meanwhile:
    """Finds out, before a trial is trained, whether another sweep of the store has trained it by now.

    The caller's own record of the trial must be in its journal by then. Of two sweeps that come to one trial
    at the same time at least one then finds the other's record, trains it all the same, and says so.

    It is made before the records of other sweeps are read, and looks only at journals that have grown since
    then, or whose sweeps ran then.

    Args:
        store: The store.
        sweep: Name of the sweep that asks.

    Attributes:
        running: Other sweeps that ran when this was made.
        twice: By key, the other sweep that was training a trial when this one began to.
    """

    def __init__(self, store: Store, sweep: str) -> None:
        self._store = store
        self._sweep = sweep
        names = self._others()
        self.running = [name for name in names if is_held(store.folder(name))]
        self.twice: dict[str, str] = {}
        self._before = {name: -1 if name in self.running else _size(self._path(name)) for name in names}
        self._read: dict[str, bytes] = {}

    def __call__(self, key: str) -> tuple[str, Record] | None:
        """A complete record of a trial, with the name of its sweep; ``None`` if no sweep has one.

        Raises:
            RemoteError: The store lies at an address and cannot be reached.
        """
        refresh_others(self._store.root, self._sweep)
        for name in self._others():
            if key.encode() in self._content(name) and (found := self._complete(name, key)):
                return name, found
        return None

    @property
    def remarks(self) -> list[str]:
        """What to know before the sweep begins: a line, or nothing."""
        if not self.running:
            return []
        names = ", ".join(self.running)
        return [
            f"in this store now runs {names}; trials that both are at in the same moment are trained twice, "
            "which is said at the end; run one after the other to train them once"
        ]

    @property
    def warning(self) -> str:
        """How many trials were trained twice, and by whom else; nothing where none was."""
        names = ", ".join(dict.fromkeys(self.twice.values()))
        trials = f"{len(self.twice)} trial{'s were' if len(self.twice) > 1 else ' was'}"
        return f"{trials} trained at the same time by {names}, in the same store" if names else ""

    def _complete(self, name: str, key: str) -> Record | None:
        """A complete record that the sweep trained itself; one in progress is noted."""
        try:
            definition = self._store.definition(name)
            if definition is None:
                return None
            journal = self._store.journal(definition, code={})
        except (UsageError, OSError) as error:
            _log.warning("sweep %s is not asked for trial %s: %s", name, key, error)
            return None
        own = [r for r in [*journal.records, *journal.apart] if r.key == key and not r.reused_from]
        found = next((record for record in own if record.state is State.COMPLETE), None)
        if found is None and any(not r.finished for r in own) and is_held(self._store.folder(name)):
            _log.warning("trial %s is being trained by sweep %s too", key, name)
            self.twice[key] = name
        return found

    def _content(self, name: str) -> bytes:
        """A journal that may have new records, read again if it has grown."""
        path = self._path(name)
        size = _size(path)
        if size == self._before.get(name, -1):
            return b""
        if len(self._read.get(name, b"")) != size:
            try:
                self._read[name] = path.read_bytes()
            except OSError:
                return b""
        return self._read.get(name, b"")

    def _others(self) -> list[str]:
        return [name for name in self._store.sweeps() if name != self._sweep]

    def _path(self, name: str) -> Path:
        return self._store.journal_path(name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
