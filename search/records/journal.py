"""The durable store of one sweep: an Optuna journal, which has every result before anyone acts on it.

Each stage and workload is an Optuna study; each trial holds its `Trial` and the metrics of every epoch as
user attributes, one append each, so that a crash at any point leaves a journal that says what is known.
"""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from dropattack import UsageError
from search.definition.select import Select
from search.records.code import SweepCode, is_apart
from search.records.holding import leased
from search.records.identity import written_identity
from search.records.mirrored import refresh_sweep, sending_to
from search.records.reading import EPOCH, RETRIES, read_records
from search.records.record import Record, State, same_result
from search.records.redaction import without_credentials
from trainables.recipe.measured import Metrics
from trainables.trial import Trial

if TYPE_CHECKING:
    from search.records.optuna_log import OptunaLog


_log = logging.getLogger(__name__)

_MOMENT_SECONDS = 0.5
"""How long a run waits for a folder's lock: those who only look at it let it go at once."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds a sweep's folder for one writer; what ends before it begins leaves no folder behind that it made.

    Raises:
        UsageError: Another process holds it, or the folder cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "run.lock")
        lock.acquire(timeout=_MOMENT_SECONDS, poll_interval=_MOMENT_SECONDS / 10)
    except Timeout:
        raise UsageError(
            f"{folder} is in use by another run; wait for it to end, or name another --store"
        ) from None
    except OSError as error:
        raise UsageError(
            f"the store {folder} cannot be written ({error.strerror}); name another --store"
        ) from None
    try:
        with leased(folder):
            refresh_sweep(folder)
            yield
    except BaseException:
        lock.release()
        if folder in made and not (folder / "sweep.json").exists():
            for name in ("run.lock", "journal.log"):
                (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise
    finally:
        lock.release()


class Journal:
    """All records of a sweep, in memory and on disk.

    Args:
        path: The journal file; created where there is none and the journal is writable.
        select: What trials are compared by.
        writable: Whether records will be added. The caller then holds `exclusive` on the folder, and what a
            crash left behind is put right: a torn last line, a stale lock.
        code: The code that the sweep trains with.

    Attributes:
        records: All records of that code, in order.
        apart: Those of other code.
    """

    def __init__(
        self, path: Path, select: Select, writable: bool = True, code: SweepCode | None = None
    ) -> None:
        self.select = select
        self.records: list[Record] = []
        self.apart: list[Record] = []
        self._by_key: dict[str, list[Record]] = defaultdict(list)
        self._path = path
        self._sending = sending_to(path) if writable else None
        if writable:
            _mend(path)
        self.records = read_records(path)
        if writable:
            self._adopt(path.parent)
        for record in self.records:
            self._by_key[record.key].append(record)
        self.apart = [record for record in self.records if is_apart(code or {}, record.trial)]
        if self.apart:
            self.records = [record for record in self.records if not is_apart(code or {}, record.trial)]

    @cached_property
    def _log(self) -> "OptunaLog":
        """Where records are added, opened by the first one, so that reading needs no Optuna."""
        from search.records.optuna_log import OptunaLog

        return OptunaLog(self._path, self.select, self._sending)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Lets what is recorded in a bucket gather while a write is under way; in a folder all is as ever.

        Meanwhile calls return before what they record is durable, and `settle` says when it is. All of it is
        at the end.

        Raises:
            RemoteError: It cannot be made durable; nothing more is recorded.
        """
        with nullcontext() if self._sending is None else self._sending.gathering():
            yield

    def when_durable(self, record: Record, action: Callable[[Record], object]) -> None:
        """Does something with a record once all of it is durable: now, or in a later `settle`.

        Where it waits, the action gets the record as it is now: by then more may be on its way.
        """
        if self._sending is None:
            action(record)
        else:
            seen = record.copy()
            self._sending.when_sent(lambda: action(seen))

    def settle(self, wait: bool = False) -> None:
        """Does what waited for records that are durable by now.

        Args:
            wait: Whether to wait until all are.

        Raises:
            RemoteError: They cannot be made durable; nothing more is recorded.
        """
        if self._sending is not None:
            self._sending.settle(wait)

    def add(
        self,
        stage: str,
        trial: Trial,
        params: Mapping[str, float] | None = None,
        distributions: Mapping[str, str] | None = None,
        answer: Record | None = None,
        reused_from: str = "",
    ) -> Record:
        """Adds a trial in one append: as running, or already answered by another record of its key."""
        if not params:
            from search.records.optuna_log import told_params

            params, distributions = told_params(trial)
        record = Record(-1, stage, trial, trial.identity, params, distributions or {})
        record.written_name, record.written_passes = record.name, record.trial.passes
        if answer is not None:
            record.state, record.epochs, record.former = answer.state, list(answer.epochs), answer.former
            record.reason, record.reused_from = answer.reason, reused_from
        attributes: dict[str, Any] = {"trial": trial.to_dict(), "reused_from": reused_from}
        attributes |= {"name": record.name, "passes": record.passes}
        attributes |= written_identity(record)
        attributes |= {"reason": record.reason} if record.reason else {}
        attributes |= {f"{EPOCH}{int(metrics['epoch'])}": metrics for metrics in record.epochs}
        record.number = self._log.create(record, attributes)
        self.records.append(record)
        self._by_key[record.key].append(record)
        return record

    def append(self, record: Record, metrics: Metrics) -> bool:
        """Records one epoch's metrics; durable at once, or see `gathering`.

        An epoch comes again where a training lost its checkpoint and began anew. On another machine, or with
        another library, it may come out otherwise: then it replaces the recorded one, and what followed from
        that is dropped. The journal's file keeps both.

        Returns:
            Whether they are new; the same result again is taken silently.
        """
        epoch = int(metrics["epoch"])
        dropped = record.epochs[epoch - 1 :]
        if dropped and same_result(dropped[0], metrics):
            return False
        # The last one first: a write that a crash tears leaves a trial as it once was.
        gone = [int(each["epoch"]) for each in reversed(dropped[1:])]
        value = metrics[self.select.column]
        metrics = {**metrics, "recorded_at": time.time()}
        attributes = {**dict.fromkeys(f"{EPOCH}{number}" for number in gone), f"{EPOCH}{epoch}": metrics}
        self._log.note(record.number, attributes, {**dict.fromkeys(gone, math.nan), epoch: value})
        if dropped:
            _note_change(record, dropped[0], metrics)
        record.epochs[epoch - 1 :] = [metrics]
        return True

    def finish(
        self, record: Record, state: State, reason: str = "", reused_from: str = "", former: str = ""
    ) -> None:
        """Closes a record for good, its reason without credentials."""
        reason = without_credentials(reason)
        texts = {"reason": reason, "reused_from": reused_from, "former": former}
        attributes = {name: text for name, text in texts.items() if text}
        self._log.close(record, attributes, state)
        record.reason, record.reused_from, record.state = reason, reused_from, state
        record.former = former or record.former

    def retry(self, record: Record) -> Record:
        """Begins a trial that failed again, without what it reported; the failed record stays in the journal.

        The new record stands where the failed one stood, so that whatever is rebuilt from the records finds
        one for each trial, in the order in which they were asked for.
        """
        again = replace(record, state=State.RUNNING, epochs=[], reason="", reused_from="")
        again.failures = [*record.failures, record]
        attributes: dict[str, Any] = {"trial": record.trial.to_dict(), "reused_from": ""}
        attributes |= {"name": record.name, "passes": record.passes}
        attributes |= written_identity(again)
        again.number = self._log.create(again, {**attributes, RETRIES: record.number})
        for records in (self.records, self._by_key[record.key]):
            records[records.index(record)] = again
        return again

    def with_key(self, key: str) -> list[Record]:
        """Every record of one trial key, the oldest first."""
        return self._by_key.get(key, [])

    def _adopt(self, folder: Path) -> None:
        """Gives trials that an earlier version began and did not end today's names, to go on under them."""
        begun = [record for record in self.records if record.former and not record.finished]
        if begun:
            from search.records.adoption import move_checkpoint

            for record in begun:
                move_checkpoint(folder, record.former, record.key)
                self._log.note(record.number, written_identity(record), {})


def _note_change(record: Record, known: Metrics, metrics: Metrics) -> None:
    changed = [n for n in known if n in metrics and not same_result({n: known[n]}, {n: metrics[n]})]
    _log.warning(
        "%s: epoch %d came again with another %s; it goes on from there",
        record.name,
        int(metrics["epoch"]),
        changed[0] if changed else "set of metrics",
    )


def _mend(path: Path) -> None:
    """Removes what a killed writer left: the journal's lock, and a last line without its end.

    Optuna's journal would join the next append to a torn line, and then never open again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)
    if not path.exists():
        path.touch()
    else:
        with path.open("r+b") as file:
            content = file.read()
            if content and not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)
