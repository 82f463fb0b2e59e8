"""Ask and tell: a durable search whose trials the caller trains, instead of this project's loop."""

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from analysis.aims import PASSES
from dropattack import UsageError
from dropattack.imported import given_only
from search.api.result import Result
from search.api.sweep import Sweep, as_defined
from search.definition import sweep as definition
from search.engine.compatibility import check_records
from search.engine.engine import Engine
from search.engine.readiness import check_ready
from search.engine.retrying import failed_from_outside
from search.records.code import TRAINED_BY
from search.records.journal import exclusive
from search.records.meanwhile import Meanwhile
from search.records.mirrored import folder_of
from search.records.provenance import provenance
from search.records.record import Record
from search.records.store import Store
from trainables.data.place import data_root, rooted
from trainables.digest import digest
from trainables.disk import checkpoint_path
from trainables.recipe.measured import STOPPED_EARLY

_SPLITS = ("train_", "valid_", "test_")
_AS_THEY_ARE = ("epoch", "seconds")


class AskedTrial:
    """A trial to train.

    Attributes:
        key: Its short name: trials of one key are one training.
        workload: Name of the workload.
        method: Name of the method.
        hyperparameters: The method's settings, complete.
        training: Settings of the training, complete; likewise ``data`` and ``model``.
        seed: Seed of everything random in the training.
        epochs: How many epochs it trains at most.
        checkpoint: A folder for its state between epochs; removed when the trial ends.
    """

    def __init__(self, record: Record, folder: Path) -> None:
        trial = record.trial
        self._record = record
        self._since = time.monotonic()
        self.key = record.key
        self.workload, self.method, self.seed = trial.workload, trial.method, trial.seed
        self.hyperparameters: dict[str, Any] = dict(trial.hyperparameters)
        self.training: dict[str, Any] = dict(trial.training)
        self.data: dict[str, Any] = dict(trial.data)
        self.model: dict[str, Any] = dict(trial.model)
        self.epochs = int(trial.training["epochs"])
        self.checkpoint = checkpoint_path(folder, record.key)
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)

    @property
    def told(self) -> int:
        """How many of its epochs are recorded, also before its process was killed."""
        return len(self._record.epochs)

    def _seconds(self) -> float:
        before, self._since = self._since, time.monotonic()
        return self._since - before


class Study:
    """A sweep whose trials the caller asks for and trains.

    What the caller tells is durable before `tell` returns. A study that is opened again, even after its
    process was killed, does what remains: it hands out an unfinished trial first.

    Examples:
        >>> with Study.open("mine.yaml", "runs", trained_by="sklearn 1.9") as study:  # doctest: +SKIP
        ...     while (trial := study.ask()) is not None:
        ...         model = make(trial)
        ...         for epoch in range(1, trial.epochs + 1):
        ...             accuracy = train_an_epoch(model)
        ...             if not study.tell(trial, epoch=epoch, metrics={"accuracy": accuracy}):
        ...                 break
    """

    def __init__(self, sweep: definition.Sweep, store: Store, engine: Engine, held: ExitStack) -> None:
        self._sweep, self._store, self._engine, self._held = sweep, store, engine, held
        self._folder = store.folder(sweep.name)

    @classmethod
    @given_only()
    def open(
        cls,
        sweep: definition.Sweep | str | Path,
        store: str | Path = "runs",
        data: str | Path | None = None,
        *,
        trained_by: str,
        retry_failed: bool = False,
    ) -> Self:
        """Opens a sweep of a store, and holds its folder until `close`.

        Args:
            sweep: A sweep, the name of a bundled one, or the path of a sweep file.
            store: Folder of all records, or its address, such as ``s3://bucket/prefix``.
            data: Root folder of datasets; ``$DROPATTACK_DATA``, or ``data``, where it is not named.
            trained_by: Name and version of the trainer. It is part of a trial's key: records of another
                trainer stay apart. Change it with the trainer.
            retry_failed: Whether to try again trials that failed.

        Raises:
            UsageError: The request is wrong, or another process has the sweep open.
        """
        if not trained_by:
            raise UsageError("trained_by: name what trains the trials, such as 'sklearn 1.9'")
        asked, place = as_defined(sweep).recorded, Store(folder_of(store))
        root = data_root() if data is None else Path(data)
        own = {TRAINED_BY: digest(trained_by)}
        with ExitStack() as held, rooted(root):
            held.enter_context(exclusive(place.folder(asked.name)))
            ready = check_ready(asked, place, root)
            code = {
                workload: {method: {**modules, **own} for method, modules in methods.items()}
                for workload, methods in ready.code.items()
            }
            journal = place.journal(asked, True, code)
            check_records(journal.records, asked, ready.checksum)

            def engine() -> Engine:
                meanwhile = Meanwhile(place, asked.name)
                elsewhere = place.complete_elsewhere(asked).records
                return Engine(asked, journal, ready.checksum, elsewhere, place.complete, own, meanwhile)

            opened = engine()
            place.note_run(asked.name, provenance(asked), begun=bool(journal.records))
            place.note_code(asked.name, code)
            place.define(asked)
            if retry_failed:
                for record in failed_from_outside(opened.records):
                    journal.retry(record)
                opened = engine()
            place.note_total(asked.name, opened.total)
            place.note_extent(asked.name)
            return cls(asked, place, opened, held.pop_all())

    def ask(self) -> AskedTrial | None:
        """Returns the next trial to train; ``None`` if there is none for now, or none any more (see `done`).

        You may ask for several before you tell of the first.
        """
        record = self._engine.next()
        return None if record is None else AskedTrial(record, self._folder)

    def tell(
        self, trial: AskedTrial, *, epoch: int, metrics: Mapping[str, float], last: bool = False
    ) -> bool:
        """Records an epoch of a trial.

        Args:
            trial: What was trained.
            epoch: Number of the epoch, from 1. You may tell a recorded epoch again: the same metrics change
                nothing, others replace it and all later epochs of the trial.
            metrics: Metrics of the validation split, such as ``{"accuracy": 0.9}``; names that begin with
                ``train_`` or ``test_`` belong to those splits. They must include what the sweep selects by:
                of several aims, all except passes.
            last: Whether the trial ends here, before its last epoch.

        Returns:
            Whether the trial goes on.

        Raises:
            UsageError: The trial is not being trained, an epoch is left out, or a metric is missing or not a
                number; nothing is recorded.
        """
        self._check_asked(trial)
        columns = [aim.column for aim in self._sweep.select.aims if aim.metric != PASSES]
        named = {_column(name): value for name, value in metrics.items()}
        for column in columns:
            if column not in named:
                missing = column.removeprefix("valid_")
                raise UsageError(f"metrics: the sweep selects by {missing!r}; tell it too")
        for name, value in named.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise UsageError(f"metrics: {name} is {value!r}, not a number; write float(…)")
        if not 1 <= epoch <= min(trial.told + 1, trial.epochs):
            raise UsageError(
                f"epoch {epoch} of trial {trial.key} cannot be told: {trial.told} of {trial.epochs} are "
                "recorded; tell every epoch in its turn"
            )
        for column in columns:
            if not math.isfinite(named[column]):
                self._end(trial, f"DivergedError: {column} is {named[column]} after epoch {epoch}")
                return False
        told = {"seconds": trial._seconds(), **named, "epoch": epoch}
        goes_on = self._engine.report(trial.key, told | ({STOPPED_EARLY: 1.0} if last else {}))
        if not goes_on:
            trial.checkpoint.unlink(missing_ok=True)
        return goes_on

    def fail(self, trial: AskedTrial, reason: str) -> None:
        """Records that a trial failed; the study goes on.

        Raises:
            UsageError: The trial is not being trained.
        """
        self._check_asked(trial)
        self._end(trial, reason)

    @property
    def done(self) -> bool:
        """Whether no trial is being trained and `ask` will return none, because of a limit or for good."""
        return self._engine.done

    @property
    def result(self) -> Result:
        """The result so far: verdict, trials, report."""
        return Result(Sweep.of(self._sweep), self._store, self._engine.limit)

    def close(self) -> None:
        """Releases the sweep's folder; records stay, and `ask` hands out unfinished trials again."""
        with self._held:
            if self._engine.done and not self._engine.limit:
                self._store.note_total(self._sweep.name, len(self._engine.records))
            self._store.note_extent(self._sweep.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_asked(self, trial: AskedTrial) -> None:
        if not self._engine.trains(trial.key):
            raise UsageError(f"trial {trial.key} is not being trained: it has ended, or another study asked")

    def _end(self, trial: AskedTrial, reason: str) -> None:
        self._engine.fail(trial.key, reason)
        trial.checkpoint.unlink(missing_ok=True)


def _column(name: str) -> str:
    return name if name.startswith(_SPLITS) or name in _AS_THEY_ARE else f"valid_{name}"
