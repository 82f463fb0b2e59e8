"""MLflow as a projection of the journal, brought up to it by a thread of its own.

A slow or absent server delays what is seen there and nothing else. What there is to do the thread finds out
by asking MLflow, so that it goes on after any crash.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.records.redaction import without_credentials
from search.tracking.runs import SweepRuns, Winner
from search.tracking.shown import ShownRuns, run_url
from search.tracking.system import SystemMetrics
from search.tracking.told import Told
from search.tracking.trouble import AGAIN, advice, lasts, line

_INTERVAL_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 60.0
_LAST_SECONDS = 5.0
"""How long closing waits for a thread where that was not waited for before, or where there is hurry."""
_REFRESH_SECONDS = 30.0
"""How far the means of configurations may be behind while many trials are to be shown."""
_GLANCE_SECONDS = 0.2
_TRUSTED_SECONDS = 10.0
"""How long what MLflow answered is taken for true; people change runs meanwhile."""
_TRIES = 2
"""How often something is tried, each time from the beginning, that no waiting mends."""


class Projection:
    """Shows a sweep's records in MLflow.

    Args:
        uri: Tracking URI, such as ``sqlite:///runs/mlflow.db`` or ``http://host:5000``.
        sweep: The sweep; its name names the experiment and the parent run.
        artifacts: Where a new experiment keeps its artifacts; ``None`` leaves that to the server.
        versions: What the sweep has run with.
        provenance: Where the results of this run come from, by name.
        owner: Answers with the id of the store, where MLflow may show those of others too.
        later: Metrics that were measured after the training, by trial key.
        make_ready: What to do each time before MLflow is opened.
    """

    def __init__(
        self,
        uri: str,
        sweep: Sweep,
        artifacts: Path | None,
        versions: Mapping[str, str],
        provenance: Mapping[str, str] | None = None,
        owner: Callable[[], str] = lambda: "",
        later: Mapping[str, Mapping[str, float]] | None = None,
        make_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._uri = uri
        self._sweep = sweep
        self._make_ready = make_ready
        self._connect: Callable[[], SweepRuns] = lambda: SweepRuns(
            uri, sweep, artifacts, versions, provenance, owner(), later
        )
        self._runs: SweepRuns | None = None
        self._system: SystemMetrics | None = None
        self._headline: Callable[[], str] = str
        self._asked = 0.0
        self._created = False
        self._records: dict[str, Record] = {}
        self._dirty: dict[str, Record] = {}
        self._unshown: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing_since = self._deadline = math.inf
        # Asked instead of the thread: an interrupt during its `join` makes a thread that works look ended.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow-projection", daemon=True)
        self.problem = ""
        self._advice = AGAIN

    def start(self, records: Sequence[Record], headline: Callable[[], str] = lambda: "") -> None:
        """Begins with the records there are; what MLflow already shows is found out and left alone.

        Args:
            records: Those there are.
            headline: How far the sweep is, in a line for the parent run.
        """
        self._headline = headline
        for record in records:
            self.show(record.copy())
        self._thread.start()

    def watch_system(self) -> None:
        """Called before the start: what the machine does is logged on the parent run until the end."""
        self._system = SystemMetrics(self._uri)

    def show(self, record: Record) -> None:
        """Takes note that a record is new or has changed."""
        with self._lock:
            known = self._records.get(record.key)
            if known is None or known.number == record.number or _ranks_above(record, known):
                self._records[record.key] = record
            self._dirty[record.key] = self._records[record.key]
            self._unshown.add(record.key)

    def drain(self, patience_seconds: float = 60.0) -> None:
        """Waits until all records are shown, or for so long."""
        self._closing_since = min(self._closing_since, time.monotonic())
        if self._system is not None:
            self._system.stop()
        self._deadline = time.monotonic() + patience_seconds
        self._wake.set()
        self._ended.wait(patience_seconds + _INTERVAL_SECONDS)

    def close(
        self,
        files: Sequence[Path],
        winners: Sequence[Winner] = (),
        status: str = "FINISHED",
        hurry: threading.Event | None = None,
        verdict: Told | None = None,
    ) -> str:
        """Adds files to the parent run and the winners' models to their runs, and ends the parent run.

        Args:
            files: For the parent run.
            winners: Trials that give the model of their workload's best configuration.
            status: How the sweep ended, in MLflow's words: FINISHED, FAILED or KILLED.
            hurry: Set when MLflow is to be waited for a few seconds more and no longer.
            verdict: What the sweep shows.

        Returns:
            What MLflow could not be told, and what to do; or nothing.
        """
        if self._working:
            self.drain(_LAST_SECONDS)
        place = f"MLflow at {without_credentials(self._uri)}"
        behind = f"{place} {self._shortfall}" if self._dirty else ""
        if self._working or (behind and self._runs is None):
            behind = behind or f"{place} does not answer"
        else:
            problem = _in_background(
                lambda: self._finish(files, winners, status, verdict), hurry or threading.Event()
            )
            if problem is not None:
                behind = f"{place} did not take the report ({line(problem)})"
                self._advice = advice(problem, self._uri)
        return "; ".join(filter(None, [behind, self._advice])) if behind else ""

    def _finish(
        self, files: Sequence[Path], winners: Sequence[Winner], status: str, verdict: Told | None
    ) -> None:
        runs = self._connected()
        try:
            runs.finish(files, winners, status, verdict)
        finally:
            runs.close()

    @property
    def _shortfall(self) -> str:
        """How far MLflow is behind, and why."""
        why, behind = self.problem or "it is slow", len(self._unshown)
        if behind:
            return f"is behind by {behind} trial{'s' if behind > 1 else ''} ({why})"
        return f"could not be compared with the records ({why})"

    @property
    def created(self) -> bool:
        """Whether a run was created that no earlier report can link to."""
        return self._created or (self._runs is not None and self._runs.created)

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
        pause, in_vain = _INTERVAL_SECONDS, 0
        while True:
            try:
                self._show_all()
                pause, in_vain, self.problem, self._advice = _INTERVAL_SECONDS, 0, "", AGAIN
            except Exception as error:
                self._forget()
                self.problem, self._advice = line(error), advice(error, self._uri)
                in_vain = in_vain + 1 if lasts(error) else 0
                pause = min(max(pause, _INTERVAL_SECONDS) * 2, _LONGEST_PAUSE_SECONDS)
                pause = 0.0 if 0 < in_vain < _TRIES else pause
            closing = self._closing_since < math.inf
            if closing and not self._dirty and self._closing_since - self._asked > _TRUSTED_SECONDS:
                self._forget()
                continue
            if closing and (not self._dirty or in_vain >= _TRIES or time.monotonic() > self._deadline):
                return
            if self._wake.wait(pause):
                self._wake.clear()
                pause = _INTERVAL_SECONDS

    def _show_all(self) -> None:
        runs = self._connected()
        with self._lock:
            ahead = [(record, record.state, list(record.epochs)) for record in self._dirty.values()]
        for each in ahead:  # So that a configuration's run is made with all of its trials.
            runs.configurations.add(*each)
        with runs.together():
            self._show_dirty(runs)
        if not self._dirty:
            runs.tidy()
        runs.describe(self._headline())

    def _show_dirty(self, runs: SweepRuns) -> None:
        refreshed = time.monotonic()
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
                if record.state is state and record.epochs == epochs and self._dirty[key] is record:
                    del self._dirty[key]
                    self._unshown.discard(key)
                else:
                    self._dirty[key] = self._dirty.pop(key)
            if time.monotonic() > refreshed + _REFRESH_SECONDS:
                runs.show_configurations(complete=False)
                refreshed = time.monotonic()
        runs.show_configurations(complete=not self._dirty)

    def _connected(self) -> SweepRuns:
        if self._runs is None:
            self._make_ready()
            self._asked = time.monotonic()
            self._runs = self._connect()
            if self._system is not None and self._closing_since == math.inf:
                self._system.watch(self._runs.parent)
        return self._runs

    def _forget(self) -> None:
        """Takes nothing for true of what MLflow answered: it is asked again, and every record compared."""
        runs, self._created, self._runs = self._runs, self.created, None
        with self._lock:
            self._dirty = {**self._dirty, **self._records}
            self._unshown |= runs.lost if runs else set()
        if runs:
            runs.close()


def _in_background(action: Callable[[], None], hurry: threading.Event) -> Exception | None:
    """Does something in a thread, and waits for its end; for a few seconds only from when there is hurry.

    Returns:
        What went wrong, or nothing.
    """
    ended = threading.Event()
    problem: list[Exception] = [TimeoutError("it does not answer")]

    def act() -> None:
        try:
            action()
            problem.clear()
        except Exception as error:
            problem[:] = [error]
        finally:
            ended.set()

    threading.Thread(target=act, name="mlflow-ending", daemon=True).start()
    while not ended.wait(_GLANCE_SECONDS) and not hurry.is_set():
        pass
    ended.wait(_LAST_SECONDS)
    return next(iter(problem), None)


def _ranks_above(record: Record, other: Record) -> bool:
    """Of two records of one key, whether the first tells more: the trained one, then the fuller one."""
    return (not record.reused_from, record.state is State.COMPLETE, len(record.epochs)) >= (
        not other.reused_from,
        other.state is State.COMPLETE,
        len(other.epochs),
    )
