"""Appends to a journal, as the journal of an Optuna storage, which other tools read."""

import errno
import json
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from typing_extensions import override

from search.definition.select import Select
from search.records.lines import written
from search.records.naming import telling
from search.records.record import Record, State
from search.records.sending import Sending
from trainables.trial import Trial

_STATES = {
    State.RUNNING: TrialState.RUNNING,
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}


class _Appending(JournalFileBackend):
    """Optuna's journal file with sealed lines, several of which may be added in one append.

    Args:
        path: The journal file; created where there is none.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = Path(path)
        self._known_bytes, self._known_lines = 0, 0
        self._held: list[dict[str, Any]] | None = None
        self._more: dict[str, Any] = {}

    @override
    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:
        """The operations on file, as Optuna keeps them: without attributes, which records have."""
        for log in super().read_logs(log_number_from):
            yield _without_attributes(log)

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends, or holds back what `at_once` will append."""
        if self._held is None:
            self._append(logs)
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
        self._append(held)

    @contextmanager
    def beside(self, **more: Any) -> Iterator[None]:
        """Adds more keys, which Optuna leaves alone, to the lines that are appended inside."""
        self._more = more
        try:
            yield
        finally:
            self._more = {}

    def _append(self, logs: list[dict[str, Any]]) -> None:
        """Adds lines that count on from the last one of the file, whoever wrote that.

        Raises:
            OSError: The file is gone, or ends before what was known of it or amid a line.
        """
        self._lock.acquire()
        try:
            with self._path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(min(size, self._known_bytes))
                new = file.read()
                if size < self._known_bytes or (new and not new.endswith(b"\n")):
                    raise OSError(errno.EIO, "something else cut it while it was written to", str(self._path))
                first = self._known_lines + new.count(b"\n") + 1
                added = b"".join(self._lines(logs, first))
                file.write(added)
                file.flush()
                os.fsync(file.fileno())
            self._known_bytes, self._known_lines = size + len(added), first - 1 + len(logs)
        finally:
            self._lock.release()

    def _lines(self, logs: list[dict[str, Any]], first: int) -> list[bytes]:
        return [written(log | self._more, number) for number, log in enumerate(logs, first)]


class _SendingOn(_Appending):
    """The same in a store at an address, which has the lines; the file is this node's copy.

    Args:
        path: The copy, up to date; nothing else adds to it.
        sending: Sends lines there; the copy has them once they are there.
    """

    def __init__(self, path: str, sending: Sending) -> None:
        super().__init__(path)
        self._sending = sending
        self._before = self._path.read_bytes().count(b"\n")
        self._own: list[bytes] = []

    @override
    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any]]:
        """The lines of the copy when it was opened, and those added since, be they there yet or not."""
        if log_number_from < self._before:
            yield from islice(super().read_logs(log_number_from), self._before - log_number_from)
        for line in self._own[max(0, log_number_from - self._before) :]:
            yield _without_attributes(json.loads(line))

    @override
    def _append(self, logs: list[dict[str, Any]]) -> None:
        first = self._before + len(self._own) + 1
        lines = self._lines(logs, first)
        self._sending.add(first, b"".join(lines))
        self._own += lines


def _without_attributes(log: dict[str, Any]) -> dict[str, Any]:
    """An operation as Optuna needs it to go on with a trial, of which attributes are the most.

    Where it sets one, Optuna wants one: they are all the same here.
    """
    empty: dict[str, dict[str, Any]] = {"user_attrs": {}, "user_attr": {"": None}}
    return log | {name: value for name, value in empty.items() if name in log}


class OptunaLog:
    """A journal that is appended to; every call is one write to the disk, or to the store's address.

    Args:
        path: The journal file; created where there is none.
        select: What trials are compared by.
        sending: Sends lines to the store's address, where it has one.
    """

    def __init__(self, path: Path, select: Select, sending: Sending | None = None) -> None:
        self._select = select
        self._directions = directions(select)
        with quiet_optuna():
            self._backend = _Appending(str(path)) if sending is None else _SendingOn(str(path), sending)
            self._storage = JournalStorage(self._backend)
        self._studies = {study.study_name: study._study_id for study in self._storage.get_all_studies()}

    def create(self, record: Record, attributes: Mapping[str, Any]) -> int:
        """Adds a trial with all that its record holds; returns its number.

        The line also says that number, and the study: it can be read where lines before it are lost.
        """
        params, distributions = drawn(record)
        failed = record.state is State.FAILED
        frozen = create_trial(
            state=_STATES[record.state],
            values=objectives(record, self._select) if record.finished and not failed else None,
            params=params,
            distributions=distributions,
            user_attrs=dict(attributes),
            intermediate_values={int(m["epoch"]): m[self._select.column] for m in record.epochs},
        )
        name = f"{record.stage}/{record.trial.workload}"
        study = self._study(name)
        created = len(self._storage._replay_result._trials)
        with self._backend.beside(trial_id=created, study_name=name, directions=self._directions):
            return self._storage.create_new_trial(study, template_trial=frozen)

    def note(self, number: int, attributes: Mapping[str, Any], values: Mapping[int, float]) -> None:
        """Adds attributes of a trial, and values by epoch."""
        with self._backend.at_once():
            self._note(number, attributes)
            for epoch, value in values.items():
                self._storage.set_trial_intermediate_value(number, epoch, value)

    def close(self, record: Record, attributes: Mapping[str, Any], state: State) -> None:
        """Adds attributes of a trial, and how it ended."""
        values = None if state is State.FAILED else objectives(record, self._select)
        with self._backend.at_once():
            self._note(record.number, attributes)
            self._storage.set_trial_state_values(record.number, _STATES[state], values)

    def _note(self, number: int, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(number, name, value)

    def _study(self, name: str) -> int:
        if name not in self._studies:
            with quiet_optuna():
                self._studies[name] = self._storage.create_new_study(self._directions, name)
        return self._studies[name]


def directions(select: Select) -> list[StudyDirection]:
    """Which way is up, of each aim."""
    up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    return [up if aim.sign > 0 else down for aim in select.aims]


def objectives(record: Record, select: Select) -> list[float] | None:
    """A trial's value of each aim, as a study has them; nothing where one of them was not measured."""
    found = record.aims(select).values()
    values = [value for value in found if value is not None]
    return values if len(values) == len(found) else None


def told_params(trial: Trial) -> tuple[dict[str, float], dict[str, str]]:
    """A trial that no sampler drew, as Optuna's tools show it: its method, its seed, and what names it.

    Numbers are in ranges of their own; whoever merges those of a study gets the range of all.
    """
    distributions: dict[str, BaseDistribution] = {}
    values: dict[str, float] = {}
    for name, value in {"method": trial.method, **telling(trial), "seed": trial.seed}.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        own = FloatDistribution(float(value), float(value)) if number else CategoricalDistribution((value,))
        distributions[name], values[name] = own, own.to_internal_repr(value)
    return values, {name: distribution_to_json(each) for name, each in distributions.items()}


class Drawn(Protocol):
    """What holds a draw as records do: `Record`, or a proposal of one."""

    @property
    def params(self) -> Mapping[str, float]:
        """See `Record.params`."""

    @property
    def distributions(self) -> Mapping[str, str]:
        """See `Record.distributions`."""


def drawn(of: Drawn) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """What the sampler drew and what from, as a study has them."""
    distributions = {name: json_to_distribution(text) for name, text in of.distributions.items()}
    values = {name: distributions[name].to_external_repr(value) for name, value in of.params.items()}
    return values, distributions


@contextmanager
def quiet_optuna(least: int = optuna.logging.WARNING) -> Iterator[None]:
    """Keeps Optuna from announcing studies, and from what is of less weight than ``least``."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(least)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
