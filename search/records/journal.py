"""The durable store of one sweep: an Optuna journal, which has every result before anyone acts on it.

Each stage and workload is an Optuna study; each trial holds its `Trial` and the metrics of every epoch as
user attributes, one append each, so that a crash at any point leaves a journal that says what is known.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from typing_extensions import override

from dropattack import UsageError
from search.definition.sweep import Select
from search.records.code import SweepCode, is_apart
from search.records.identity import move_checkpoint, read_identity, written_identity
from search.records.record import Record, State, same_result
from trainables.recipe.metrics import Metrics
from trainables.trial import Trial

_EPOCH = "epoch."
_TO_OPTUNA = {
    State.RUNNING: TrialState.RUNNING,
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}
_FROM_OPTUNA = {optuna_state: state for state, optuna_state in _TO_OPTUNA.items()}


class NotReproducibleError(RuntimeError):
    """A result that is recorded already came again, and differs."""


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
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"{folder} is in use by another run; wait for it to end, or name another --store"
        ) from None
    except OSError as error:
        raise UsageError(
            f"the store {folder} cannot be written ({error.strerror}); name another --store"
        ) from None
    try:
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


class _Appending(JournalFileBackend):
    """Optuna's journal file, to which several operations may be added in one append."""

    _held: list[dict[str, Any]] | None = None

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends, or holds back what `at_once` will append."""
        if self._held is None:
            super().append_logs(logs)
        else:
            self._held += logs

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Appends what is done inside when it ends, at the cost of one write to the disk."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
        super().append_logs(held)


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
        if writable:
            _mend(path)
        elif not path.exists():
            return
        with quiet_optuna():
            self._backend = _Appending(str(path))
            self._storage = JournalStorage(self._backend)
        self._studies: dict[str, int] = {}
        for study in self._storage.get_all_studies():
            self._studies[study.study_name] = study._study_id
            stage = study.study_name.partition("/")[0]
            for frozen in self._storage.get_all_trials(study._study_id, deepcopy=False):
                self.records.append(_record(frozen, stage))
        self.records.sort(key=lambda record: record.number)
        if writable:
            self._adopt(path.parent)
        for record in self.records:
            self._by_key[record.key].append(record)
        self.apart = [record for record in self.records if is_apart(code or {}, record.trial)]
        if self.apart:
            self.records = [record for record in self.records if not is_apart(code or {}, record.trial)]

    def add(
        self,
        stage: str,
        trial: Trial,
        params: Mapping[str, Any] | None = None,
        distributions: Mapping[str, BaseDistribution] | None = None,
        answer: Record | None = None,
        reused_from: str = "",
    ) -> Record:
        """Adds a trial in one append: as running, or already answered by another record of its key."""
        record = Record(-1, stage, trial, trial.identity, params or {}, distributions or {})
        if answer is not None:
            record.state, record.epochs, record.former = answer.state, list(answer.epochs), answer.former
            record.reason, record.reused_from = answer.reason, reused_from
        attributes: dict[str, Any] = {"trial": trial.to_dict(), "reused_from": reused_from}
        attributes |= written_identity(record)
        attributes |= {"reason": record.reason} if record.reason else {}
        attributes |= {f"{_EPOCH}{int(metrics['epoch'])}": metrics for metrics in record.epochs}
        frozen = create_trial(
            state=_TO_OPTUNA[record.state],
            value=record.value(self.select) if record.finished and record.state is not State.FAILED else None,
            params=dict(record.params),
            distributions=dict(record.distributions),
            user_attrs=attributes,
            intermediate_values={int(m["epoch"]): m[self.select.column] for m in record.epochs},
        )
        record.number = self._storage.create_new_trial(
            self._study(stage, trial.workload), template_trial=frozen
        )
        self.records.append(record)
        self._by_key[record.key].append(record)
        return record

    def append(self, record: Record, metrics: Metrics) -> bool:
        """Makes one epoch's metrics durable.

        Returns:
            Whether they are new; the same result again is taken silently.

        Raises:
            NotReproducibleError: The epoch is recorded with other metrics.
        """
        epoch = int(metrics["epoch"])
        if epoch <= len(record.epochs):
            known = record.epochs[epoch - 1]
            if not same_result(known, metrics):
                changed = [
                    n for n in known if n in metrics and not same_result({n: known[n]}, {n: metrics[n]})
                ]
                raise NotReproducibleError(
                    f"epoch {epoch} came again and differs in {', '.join(changed) or 'its metrics'}"
                )
            return False
        value = metrics[self.select.column]
        metrics = {**metrics, "recorded_at": time.time()}
        with self._backend.at_once():
            self._storage.set_trial_user_attr(record.number, f"{_EPOCH}{epoch}", metrics)
            self._storage.set_trial_intermediate_value(record.number, epoch, value)
        record.epochs.append(metrics)
        return True

    def finish(
        self, record: Record, state: State, reason: str = "", reused_from: str = "", former: str = ""
    ) -> None:
        """Closes a record for good."""
        value = record.value(self.select)
        values = None if value is None or state is State.FAILED else [value]
        with self._backend.at_once():
            for name, text in (("reason", reason), ("reused_from", reused_from), ("former", former)):
                if text:
                    self._storage.set_trial_user_attr(record.number, name, text)
            self._storage.set_trial_state_values(record.number, _TO_OPTUNA[state], values)
        record.reason, record.reused_from, record.state = reason, reused_from, state
        record.former = former or record.former

    def with_key(self, key: str) -> list[Record]:
        """Every record of one trial key, the oldest first."""
        return self._by_key.get(key, [])

    def _adopt(self, folder: Path) -> None:
        """Gives trials that an earlier version began and did not end today's names, to go on under them."""
        for record in self.records:
            if record.former and not record.finished:
                move_checkpoint(folder, record.former, record.key)
                with self._backend.at_once():
                    for name, value in written_identity(record).items():
                        self._storage.set_trial_user_attr(record.number, name, value)

    def _study(self, stage: str, workload: str) -> int:
        name = f"{stage}/{workload}"
        if name not in self._studies:
            direction = StudyDirection.MAXIMIZE if self.select.sign > 0 else StudyDirection.MINIMIZE
            with quiet_optuna():
                self._studies[name] = self._storage.create_new_study([direction], name)
        return self._studies[name]


def _record(frozen: FrozenTrial, stage: str) -> Record:
    attributes = frozen.user_attrs
    epochs = [value for name, value in attributes.items() if name.startswith(_EPOCH)]
    trial = Trial.from_dict(attributes["trial"])
    identity, former = read_identity(trial, attributes)
    return Record(
        number=frozen._trial_id,
        stage=stage,
        trial=trial,
        identity=identity,
        params=frozen.params,
        distributions=frozen.distributions,
        state=_FROM_OPTUNA[frozen.state],
        epochs=sorted(epochs, key=lambda metrics: metrics["epoch"]),
        reason=attributes.get("reason", ""),
        reused_from=attributes.get("reused_from", ""),
        former=former,
    )


def _mend(path: Path) -> None:
    """Removes what a killed writer left: the journal's lock, and a last line without its end.

    Optuna's journal would join the next append to a torn line, and then never open again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        with path.open("r+b") as file:
            content = file.read()
            file.truncate(content.rfind(b"\n") + 1)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keeps Optuna from announcing studies."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
