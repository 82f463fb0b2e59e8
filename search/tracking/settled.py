"""Whether a sweep's records, its report and what MLflow shows of it are as the last run left them.

MLflow takes seconds to import and to open. A run that finds all of this unchanged has nothing to tell it; a
run that finds any of it changed, by whomever, asks MLflow what it shows. Other sweeps of the store, and what
people do to those, change nothing. A store that was moved is not settled: MLflow notes absolute paths.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from search.records.notes import VERDICT
from search.records.store import Store
from search.tracking.database import opened
from search.tracking.tags import SWEEP
from trainables.digest import digest
from trainables.disk import write_atomically

_OF_SWEEP = (
    "(SELECT experiment_id FROM experiments WHERE name = :sweep UNION "
    "SELECT experiment_id FROM experiment_tags WHERE key = :tag AND value = :sweep)"
)
_RUNS = f"SELECT run_uuid FROM runs WHERE experiment_id IN {_OF_SWEEP}"
_SHOWN = (
    f"SELECT * FROM experiments WHERE experiment_id IN {_OF_SWEEP} ORDER BY experiment_id",
    f"SELECT * FROM experiment_tags WHERE experiment_id IN {_OF_SWEEP} ORDER BY experiment_id, key",
    f"SELECT * FROM runs WHERE experiment_id IN {_OF_SWEEP} ORDER BY run_uuid",
    f"SELECT * FROM tags WHERE run_uuid IN ({_RUNS}) ORDER BY run_uuid, key",
    f"SELECT * FROM params WHERE run_uuid IN ({_RUNS}) ORDER BY run_uuid, key",
    f"SELECT * FROM latest_metrics WHERE run_uuid IN ({_RUNS}) ORDER BY run_uuid, key",
)
"""What MLflow shows of a sweep, table by table."""


def is_settled(store: Store, sweep: str) -> bool:
    """Whether nothing has changed since `note_settled`, and the report is there."""
    noted = _path(store, sweep)
    if not noted.is_file() or not store.report(sweep).is_file():
        return False
    return noted.read_bytes() == _stamp(store, sweep).encode()


def note_settled(store: Store, sweep: str) -> None:
    """Notes that MLflow's database in the store shows all records of a sweep, and has its report."""
    stamp = _stamp(store, sweep)
    if stamp:
        write_atomically(_path(store, sweep), stamp.encode())


def _path(store: Store, sweep: str) -> Path:
    return store.folder(sweep) / "settled"


def _stamp(store: Store, sweep: str) -> str:
    """Where the store is, what is shown, and its files with sizes and times; nothing without a database."""
    try:
        with closing(opened(store.root / "mlflow.db", "ro")) as database:
            asked = {"sweep": sweep, "tag": SWEEP}
            runs = {str(run) for (run,) in database.execute(_RUNS, asked)}
            shown = [
                digest([list(map(str, row)) for row in database.execute(each, asked)]) for each in _SHOWN
            ]
    except sqlite3.Error:
        return ""
    states = {path: path.stat() for path in _files(store, sweep, runs)}
    files = sorted((str(p.relative_to(store.root)), s.st_size, s.st_mtime_ns) for p, s in states.items())
    return digest([str(store.root.resolve()), shown, files])


def _files(store: Store, sweep: str, runs: Iterable[str]) -> Iterator[Path]:
    there = {path.name for path in store.artifacts.iterdir()} if store.artifacts.is_dir() else set()
    for run in there.intersection(runs):
        yield from (path for path in (store.artifacts / run).rglob("*") if path.is_file())
    own = [store.journal_path(sweep), store.robustness_path(sweep), store.report(sweep)]
    own.append(store.folder(sweep) / VERDICT.file)
    yield from (path for path in own if path.exists())
