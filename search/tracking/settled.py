"""Whether a sweep's records, its report and MLflow's files in the store are as the last run left them.

MLflow takes seconds to import and to open. A run that finds all these files unchanged has nothing to tell it;
a run that finds any of them changed, by whomever, asks MLflow what it shows.
"""

from collections.abc import Iterator
from pathlib import Path

from search.records.store import Store
from trainables.digest import digest
from trainables.disk import write_atomically


def is_settled(store: Store, sweep: str) -> bool:
    """Whether nothing has changed since `note_settled`, and the report is there."""
    noted = _path(store, sweep)
    if not noted.is_file() or not store.report(sweep).is_file():
        return False
    return noted.read_bytes() == _stamp(store, sweep).encode()


def note_settled(store: Store, sweep: str) -> None:
    """Notes that MLflow's database in the store shows all records of a sweep, and has its report."""
    write_atomically(_path(store, sweep), _stamp(store, sweep).encode())


def _path(store: Store, sweep: str) -> Path:
    return store.folder(sweep) / "settled"


def _stamp(store: Store, sweep: str) -> str:
    """Names, sizes and times of all files that what is shown is made of, or consists of."""
    states = {path: path.stat() for path in _files(store, sweep)}
    return digest(
        sorted((str(p.relative_to(store.root)), s.st_size, s.st_mtime_ns) for p, s in states.items())
    )


def _files(store: Store, sweep: str) -> Iterator[Path]:
    yield from store.root.glob("mlflow.db*")
    yield from (path for path in store.artifacts.rglob("*") if path.is_file())
    own = (store.journal_path(sweep), store.robustness_path(sweep), store.report(sweep))
    yield from (path for path in own if path.exists())
