"""MLflow's empty database, made once for each process of tests and copied for every store."""

import sqlite3
import sys
from contextlib import closing
from functools import cache
from typing import Any


def copy_from_now_on() -> None:
    """Makes MLflow, once it is imported, copy a database's empty tables instead of migrating to them.

    Migrations take most of a second for each new store. The tables are those that MLflow itself made for the
    first store. Processes that tests start migrate as they do for users.
    """
    utils: Any = sys.modules.get("mlflow.store.db.utils")
    if utils is None or isinstance(utils._initialize_tables, _Copying):
        return
    utils._initialize_tables = _Copying(utils._initialize_tables)
    utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)


class _Copying:
    def __init__(self, own: Any) -> None:
        self._own = own
        self._empty = b""

    def __call__(self, engine: Any) -> None:
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        if not path or _tables(path):
            self._own(engine)
        elif self._empty:
            with closing(sqlite3.connect(":memory:")) as empty, closing(sqlite3.connect(path)) as new:
                empty.deserialize(self._empty)
                empty.backup(new)
        else:
            self._own(engine)
            with closing(sqlite3.connect(path)) as made:
                assert made.execute("SELECT count(*) FROM runs").fetchone() == (0,)
                assert made.execute("SELECT count(*) FROM experiments").fetchone() == (0,)
                self._empty = made.serialize()


def _tables(path: str) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
