"""MLflow as a projection of the journal, brought up to it by a thread of its own.

A slow or absent server delays what is seen there and nothing else. What there is to do the thread finds out
by asking MLflow, so that it goes on after any crash.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dropattack.errors import first_line
from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.records.redaction import without_credentials
from search.tracking.runs import SweepRuns, Winner
from search.tracking.shown import ShownRuns, run_url

_INTERVAL_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
_LAST_SECONDS = 5.0
"""How long closing waits for a thread where that was not waited for before, or where there is hurry."""
_GLANCE_SECONDS = 0.2


class Projection:
    """Shows a sweep's records in MLflow.

    Args:
        uri: Tracking URI, such as ``sqlite:///runs/mlflow.db`` or ``http://host:5000``.
        sweep: The sweep; its name names the experiment and the parent run.
        artifacts: Where a new experiment keeps its artifacts; ``None`` leaves that to the server.
        versions: What the sweep has run with.
        provenance: Where the results of this run come from, by name.
    """

    def __init__(
        self,
        uri: str,
        sweep: Sweep,
        artifacts: Path | None,
        versions: Mapping[str, str],
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        self._uri = uri
        self._sweep = sweep
        self._artifacts = artifacts
        self._versions = versions
        self._provenance = provenance
        self._runs: SweepRuns | None = None
        self._dirty: dict[str, Record] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._deadline = math.inf
        # Asked instead of the thread: an interrupt during its `join` makes a thread that works look ended.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow-projection", daemon=True)
        self.problem = ""

    def start(self, records: Sequence[Record], headline: Callable[[], str] = lambda: "") -> None:
        """Begins with the records there are; what MLflow already shows is found out and left alone.

        Args:
            records: Those there are.
            headline: How far the sweep is, in a line for the parent run.
        """
        self._headline = headline
        for record in records:
            self.show(record)
        self._thread.start()

    def show(self, record: Record) -> None:
        """Takes note that a record is new or has changed."""
        with self._lock:
            known = self._dirty.get(record.key)
            if known is None or _ranks_above(record, known):
                self._dirty[record.key] = record

    def drain(self, patience_seconds: float = 60.0) -> None:
        """Waits until all records are shown, or for so long."""
        self._deadline = time.monotonic() + patience_seconds
        self._wake.set()
        self._ended.wait(patience_seconds + _INTERVAL_SECONDS)

    def close(
        self,
        files: Sequence[Path],
        winners: Sequence[Winner] = (),
        status: str = "FINISHED",
        hurry: threading.Event | None = None,
    ) -> str:
        """Adds files to the parent run and the winners' models to their runs, and ends the parent run.

        Args:
            files: For the parent run.
            winners: Trials that give the model of their workload's best configuration.
            status: How the sweep ended, in MLflow's words: FINISHED, FAILED or KILLED.
            hurry: Set when MLflow is to be waited for a few seconds more and no longer.

        Returns:
            What MLflow could not be told, or nothing; it is told at the next run.
        """
        if self._working:
            self.drain(_LAST_SECONDS)
        place = f"MLflow at {without_credentials(self._uri)}"
        behind = f"{place} is behind by {len(self._dirty)} trials ({self.problem})" if self._dirty else ""
        if self._working or (behind and self._runs is None):
            return behind or f"{place} does not answer"
        problem = _in_background(
            lambda: self._connected().finish(files, winners, status), hurry or threading.Event()
        )
        return f"{place} did not take the report ({problem})" if problem else behind

    @property
    def created(self) -> bool:
        """Whether a run was created that no earlier report can link to."""
        return self._runs is not None and self._runs.created

    def shown(self) -> ShownRuns:
        """The runs that MLflow shows so far."""
        runs = self._runs
        return ShownRuns(run_url(self._uri, runs.experiment), dict(runs.ids)) if runs else ShownRuns()

    @property
    def _working(self) -> bool:
        return self._thread.ident is not None and not self._ended.is_set()

    def _work(self) -> None:
        try:
            self._keep_up()
        finally:
            self._ended.set()

    def _keep_up(self) -> None:
        pause = _INTERVAL_SECONDS
        while True:
            try:
                self._show_all()
                pause, self.problem = _INTERVAL_SECONDS, ""
            except Exception as error:
                self._runs = None
                self.problem = _line(error)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            closing = self._deadline < math.inf
            if closing and (not self._dirty or time.monotonic() > self._deadline):
                return
            if self._wake.wait(pause):
                self._wake.clear()
                pause = _INTERVAL_SECONDS

    def _show_all(self) -> None:
        runs = self._connected()
        while self._dirty and time.monotonic() < self._deadline:
            with self._lock:
                key, record = next(iter(self._dirty.items()))
                state, epochs = record.state, list(record.epochs)
            try:
                runs.show(record, state, epochs)
            except Exception:
                with self._lock:
                    self._dirty[key] = self._dirty.pop(key)
                raise
            with self._lock:
                if record.state is state and len(record.epochs) == len(epochs) and self._dirty[key] is record:
                    del self._dirty[key]
                else:
                    self._dirty[key] = self._dirty.pop(key)
        runs.describe(self._headline())

    def _connected(self) -> SweepRuns:
        if self._runs is None:
            self._runs = SweepRuns(self._uri, self._sweep, self._artifacts, self._versions, self._provenance)
        return self._runs


def _in_background(action: Callable[[], None], hurry: threading.Event) -> str:
    """Does something in a thread, and waits for its end; for a few seconds only from when there is hurry.

    Returns:
        What went wrong, or nothing.
    """
    ended = threading.Event()
    problem = ["it does not answer"]

    def act() -> None:
        try:
            action()
            problem.clear()
        except Exception as error:
            problem[:] = [_line(error)]
        finally:
            ended.set()

    threading.Thread(target=act, name="mlflow-ending", daemon=True).start()
    while not ended.wait(_GLANCE_SECONDS) and not hurry.is_set():
        pass
    ended.wait(_LAST_SECONDS)
    return "".join(problem)


def _ranks_above(record: Record, other: Record) -> bool:
    """Of two records of one key, whether the first tells more: the trained one, then the fuller one."""
    return (not record.reused_from, record.state is State.COMPLETE, len(record.epochs)) >= (
        not other.reused_from,
        other.state is State.COMPLETE,
        len(other.epochs),
    )


def _line(error: Exception) -> str:
    return without_credentials(first_line(error))[:200]
