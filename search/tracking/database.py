"""MLflow's database in a store, made ready before MLflow opens it: checked, and told where the store is.

MLflow notes absolute paths of files. Of a store that was moved or copied they are corrected here, in the
database itself, so that all that reads it finds the files: this program, ``mlflow ui`` and MLflow's API.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from dropattack import UsageError
from search.records.store import Store
from search.tracking.tags import KIND, SWEEP

_PATIENCE_SECONDS = 20.0
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow that hold where files are."""


def make_ready(store: Store) -> None:
    """Checks MLflow's database in a store, and corrects where it says that the store's files are.

    Raises:
        UsageError: It is no database that could be read and written.
    """
    path = store.root / "mlflow.db"
    if not path.exists():
        return
    again = "move it away, then `dropattack run` again shows every trial in a new one"
    if not path.is_file():
        raise UsageError(f"{path} is not MLflow's database but a folder; {again}")
    try:
        with closing(opened(path, "rw")) as database:
            _correct(database, store.artifacts.resolve().as_uri())
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return
        raise UsageError(f"{path} cannot be used ({error}); mend that, or {again}") from error
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{path} is damaged ({error}); {again}") from error


def is_there(uri: str) -> bool:
    """Whether what a tracking address names could be asked; MLflow makes a database or folder that is not.

    Args:
        uri: A tracking address; of a server, it is taken to be there.
    """
    scheme, _, rest = uri.partition(":")
    if scheme.partition("+")[0] == "sqlite":
        path = Path(unquote(rest.partition("?")[0].removeprefix("///")))
    elif scheme == "file":
        path = Path(unquote(urlsplit(uri).path))
    else:
        return "://" in uri or scheme == "databricks"
    return path.exists()


def experiments(store: Store) -> dict[str, str]:
    """Ids of the experiments that show sweeps of a store, by sweep; the one that was last changed first."""
    with closing(opened(store.root / "mlflow.db", "ro")) as database:
        found = database.execute(
            "SELECT value, experiment_id FROM experiment_tags JOIN experiments USING (experiment_id) "
            "WHERE key = ? AND lifecycle_stage = 'active' ORDER BY experiment_id DESC",
            (SWEEP,),
        ).fetchall()
    known = {str(sweep): str(experiment) for sweep, experiment in reversed(found)}
    journals = {name: store.journal_path(name) for name in known}
    changed = {name: path.stat().st_mtime_ns if path.exists() else 0 for name, path in journals.items()}
    return {name: known[name] for name in sorted(known, key=lambda name: -changed[name])}


def opened(path: Path, mode: str, own_thread: bool = True) -> sqlite3.Connection:
    """Opens a database that is there, for reading (``ro``) or for writing as well (``rw``).

    Args:
        path: Its file.
        mode: What for.
        own_thread: Whether no thread but this one may use it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    address = f"file:{quote(str(path.resolve()))}?mode={mode}"
    return sqlite3.connect(address, _PATIENCE_SECONDS, check_same_thread=own_thread, uri=True)


def _correct(database: sqlite3.Connection, location: str) -> None:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"experiments", "experiment_tags", "runs", "tags"} <= tables:
        return
    with database:
        for old in _former_locations(database, location):
            for table, column in _LOCATIONS:
                if table in tables:
                    database.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                        (location, len(old) + 1, old, len(old) + 1, f"{old}/"),
                    )


def _former_locations(database: sqlite3.Connection, location: str) -> list[str]:
    """Where experiments of sweeps kept their files when the store was elsewhere."""
    found = database.execute(
        "SELECT DISTINCT artifact_location FROM experiments WHERE experiment_id IN "
        "(SELECT experiment_id FROM experiment_tags WHERE key = ? UNION "
        "SELECT experiment_id FROM runs JOIN tags USING (run_uuid) WHERE key = ?)",
        (SWEEP, KIND),
    )
    places = {str(old) for (old,) in found.fetchall()} - {location}
    return [old for old in places if old.startswith("file:") and old.endswith("/artifacts")]
