"""MLflow's empty database, made once for each process of tests and copied for every store."""

import sqlite3
import sys
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
        if engine.dialect.name != "sqlite":
            self._own(engine)
        elif self._empty:
            self._copy(engine.url.database)
        else:
            self._own(engine)
            with sqlite3.connect(engine.url.database) as made:
                tables = made.execute("select name from sqlite_master where type = 'table'").fetchall()
                rows = sum(made.execute(f'select count(*) from "{name}"').fetchone()[0] for (name,) in tables)
                assert rows == 1, "nothing but its version"
                self._empty = made.serialize()
            made.close()

    def _copy(self, path: str) -> None:
        empty, new = sqlite3.connect(":memory:"), sqlite3.connect(path)
        empty.deserialize(self._empty)
        empty.backup(new)
        new.close()
        empty.close()
