"""New runs in MLflow's own database of a store, each written whole and at once.

MLflow's client takes three requests for a run that has ended, and several transactions for each. A sweep
of short trials spends more on them than on anything else. Of a database that is a file, the run is written
here instead, as the client would have written it. What only the client can answer is left to it: servers,
other databases, tables that this does not know, and whatever MLflow would refuse or cut.
"""

import math
import re
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

from mlflow.entities import Experiment, Metric, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from search.tracking.database import opened
from search.tracking.found import FoundRun
from search.tracking.picture import CURVES

_TABLES = {
    "experiments": ("experiment_id", "lifecycle_stage"),
    "runs": (
        "run_uuid",
        "name",
        "source_type",
        "source_name",
        "entry_point_name",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "source_version",
        "lifecycle_stage",
        "artifact_uri",
        "experiment_id",
    ),
    "tags": ("run_uuid", "key", "value"),
    "params": ("run_uuid", "key", "value"),
    "metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
    "latest_metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
}
"""The tables that a run is in, and the columns that are written; of experiments, those that are asked for."""
_KEY = re.compile(r"\w[\w.\- ]*(/\w[\w.\- ]*)*", re.ASCII)
_RUNNING = RunStatus.to_string(RunStatus.RUNNING)
_LONGEST_KEY, _LONGEST_VALUE = 250, 5000
"""What MLflow takes as it is."""
_TOGETHER = 100
"""The most runs in one transaction: each rewrites the same pages of the database's indexes."""

_Row = tuple[object, ...]


class WholeRuns:
    """Writes new runs of an experiment.

    Args:
        uri: Tracking URI.
        experiment: Theirs.

    Attributes:
        lost: Ids of runs that could not be written.
    """

    def __init__(self, uri: str, experiment: Experiment) -> None:
        self._experiment = experiment.experiment_id
        self._files = str(experiment.artifact_location).rstrip("/")
        self._database = None if set("?#") & set(self._files) else _database(uri)
        self._gathers = False
        self._gathered: dict[str, list[tuple[str, list[_Row]]]] = {}
        self.lost: set[str] = set()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Lets new runs gather, many to a transaction; all are in the database at the end.

        Until then MLflow's client has them after `ensure` or `settle` only.

        Raises:
            MlflowException: The experiment was deleted meanwhile.
            sqlite3.Error: The database cannot be written.
        """
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False
            self.settle()

    def is_there(self, run: str) -> bool:
        """Whether the run of that id is not one that has gathered only."""
        return run not in self._gathered

    def ensure(self, run: str) -> None:
        """Writes what has gathered, if the run of that id is among it."""
        if not self.is_there(run):
            self.settle()

    def settle(self) -> None:
        """Writes all that has gathered, or nothing of it.

        Raises:
            MlflowException: The experiment was deleted meanwhile.
            sqlite3.Error: The database cannot be written.
        """
        if self._database is None or not self._gathered:
            return
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                if not self._is_active(self._database):
                    raise MlflowException(f"experiment {self._experiment} was deleted", INVALID_STATE)
                for table, rows in chain.from_iterable(self._gathered.values()):
                    self._database.executemany(_insertion(table), rows)
        except Exception:
            self.lost |= self._gathered.keys()
            raise
        finally:
            self._gathered = {}

    def close(self) -> None:
        """Closes the database; nothing more is written."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def write(
        self,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        metrics: Iterable[Metric],
        status: str,
        start: int,
        end: int | None,
    ) -> FoundRun | None:
        """A new run that holds all of this; nothing where that is left to MLflow's client.

        Its id begins with the time: rows of later runs come after those of earlier ones, in pages that the
        database has at hand.

        Args:
            tags: Its name among them.
            params: Its params.
            metrics: All values of its metrics.
            status: MLflow's word for how it ended, or that it goes on.
            start: When it began, in milliseconds.
            end: When it was last heard of, in milliseconds; nothing where it never was. One that goes on has
                no end, and one that has ended and was never heard of has it now.

        Raises:
            sqlite3.Error: The database cannot be written.
        """
        metrics = list(metrics)
        end = None if status == _RUNNING else end or int(time.time() * 1000)
        if self._database is None or not _plain(tags, params, metrics):
            return None
        if not self._gathered and not self._is_active(self._database):
            return None
        run = FoundRun(
            f"{time.time_ns() // 10**6:012x}{secrets.token_hex(10)}",
            dict(tags),
            dict(params),
            status=status,
            end=end,
            compared=True,
        )
        run.files = f"{self._files}/{run.run_id}/artifacts"
        latest: dict[str, Metric] = {}
        for metric in metrics:
            if metric.key not in latest or _rank(metric) > _rank(latest[metric.key]):
                latest[metric.key] = metric
        run.metrics = {name: metric.value for name, metric in latest.items()}
        run.stamps = {name: (metric.step, metric.timestamp) for name, metric in latest.items()}
        run.epochs = max((m.step for m in latest.values() if m.key.startswith(CURVES)), default=0)
        self._gathered[run.run_id] = _rows(run, int(self._experiment), start, metrics, latest.values())
        if not self._gathers or len(self._gathered) >= _TOGETHER:
            self.settle()
        return run

    def _is_active(self, database: sqlite3.Connection) -> bool:
        """Whether the experiment is there, and not deleted."""
        asked = "SELECT lifecycle_stage FROM experiments WHERE experiment_id = ?"
        return bool(database.execute(asked, (int(self._experiment),)).fetchone() == ("active",))


def _rows(
    run: FoundRun, experiment: int, start: int, metrics: Iterable[Metric], latest: Iterable[Metric]
) -> list[tuple[str, list[_Row]]]:
    """All rows of a run, table by table; a value that is there twice counts once, as in MLflow."""
    key, name = run.run_id, run.tags[MLFLOW_RUN_NAME]
    whence = ("UNKNOWN", "", "", "unknown")
    of_run = (key, name, *whence, run.status, start, run.end, "", "active", run.files, experiment)
    found: list[tuple[str, list[_Row]]] = [("runs", [of_run])]
    found += [
        (t, [(key, *each) for each in own.items()]) for t, own in (("tags", run.tags), ("params", run.params))
    ]
    for table, values in (("metrics", metrics), ("latest_metrics", latest)):
        rows = dict.fromkeys((key, m.key, float(m.value), m.timestamp, m.step, False) for m in values)
        found.append((table, list(rows)))
    return found


def _database(uri: str) -> sqlite3.Connection | None:
    """The database of a tracking URI, where it is a file whose tables are known."""
    scheme, _, rest = uri.partition(":///")
    escaped = scheme == "sqlite+pysqlite"
    if not (escaped or scheme == "sqlite") or "?" in rest or ("%" in rest and not escaped):
        return None
    try:
        database = opened(Path(unquote(rest)), "rw", own_thread=False)
    except sqlite3.OperationalError:  # What keeps it from being opened, MLflow's client says.
        return None
    if all(_is_known(database, table, set(columns)) for table, columns in _TABLES.items()):
        return database
    database.close()
    return None


def _is_known(database: sqlite3.Connection, table: str, columns: set[str]) -> bool:
    """Whether a table has all columns that are used, and no other that a row must have."""
    there, needed = set(), set()
    for _, name, _, not_null, default, _ in database.execute(f"PRAGMA table_info({table})"):
        there.add(name)
        if not_null and default is None:
            needed.add(name)
    return columns <= there and (table == "experiments" or needed <= columns)


def _insertion(table: str) -> str:
    columns = _TABLES[table]
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"


def _plain(tags: Mapping[str, str], params: Mapping[str, str], metrics: Iterable[Metric]) -> bool:
    """Whether MLflow would take all of it, and as it is."""
    texts = [*tags.items(), *params.items()]
    keys = [name for name, _ in texts] + [metric.key for metric in metrics]
    return (
        all(len(key) <= _LONGEST_KEY and _KEY.fullmatch(key) for key in keys)
        and all(len(value) <= _LONGEST_VALUE for _, value in texts)
        and all(math.isfinite(metric.value) for metric in metrics)
        and len(tags.get(MLFLOW_RUN_NAME, "")) in range(1, _LONGEST_KEY + 1)
    )


def _rank(metric: Metric) -> tuple[int, int, float]:
    """Of several values of a metric MLflow shows the one that ranks highest."""
    return metric.step, metric.timestamp, metric.value
