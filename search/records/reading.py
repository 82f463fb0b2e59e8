"""Reads the records of a journal from its lines, without Optuna, which defines and appends them.

A line is one operation on a study or a trial. Trials are numbered in the order in which they were created.
"""

import json
from pathlib import Path
from typing import Any

from dropattack import UsageError
from search.records.identity import read_identity
from search.records.record import Record, State
from trainables.trial import Trial

EPOCH = "epoch."
"""How the attributes that hold an epoch's metrics begin."""

_STATES = (State.RUNNING, State.COMPLETE, State.PRUNED, State.FAILED)
"""By their numbers in a journal, which are those of `optuna.trial.TrialState`."""

_CREATE_STUDY, _DELETE_STUDY, _CREATE_TRIAL, _SET_STATE, _SET_ATTRIBUTE = 0, 1, 4, 6, 8
"""Operations that a record is made of, as `optuna.storages.journal` numbers them."""

_DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading fails with where a line is not what was written."""


def read_records(path: Path) -> list[Record]:
    """All records of a journal, in order; none where there is no journal.

    A last line without its end, which is being written or was never finished, is left out.

    Raises:
        UsageError: Another line is no operation that makes sense there, or the file cannot be read.
    """
    read = _Reader()
    for number, line in enumerate(_lines(path), 1):
        try:
            read.line(json.loads(line))
        except _DAMAGE:
            raise UsageError(
                f"line {number} of {path} is damaged; restore the file, or name another --store"
            ) from None
    try:
        return read.records()
    except _DAMAGE:
        raise UsageError(
            f"{path} holds a trial that is damaged; restore it, or name another --store"
        ) from None


class _Reader:
    """What the operations of a journal amount to, so far."""

    def __init__(self) -> None:
        self._studies: dict[int, str] = {}
        self._created = 0
        self._trials: list[dict[str, Any]] = []

    def line(self, entry: dict[str, Any]) -> None:
        """Carries one operation out."""
        operation = int(entry["op_code"])
        if operation == _CREATE_STUDY:
            if entry["study_name"] not in self._studies.values():
                self._studies[self._created] = entry["study_name"]
                self._created += 1
        elif operation == _DELETE_STUDY:
            self._studies.pop(entry["study_id"], None)
        elif operation == _CREATE_TRIAL and entry["study_id"] in self._studies:
            self._trials.append(entry)
        elif operation in (_SET_STATE, _SET_ATTRIBUTE):
            trial = self._trials[entry["trial_id"]]
            if trial["state"]:  # what is finished stays as it is
                return
            if operation == _SET_STATE:
                trial["state"] = entry["state"]
            else:
                trial["user_attrs"] |= entry["user_attr"]

    def records(self) -> list[Record]:
        """The trials of studies that are not deleted, in the order in which they were created."""
        return [
            _record(number, self._studies[entry["study_id"]], entry)
            for number, entry in enumerate(self._trials)
            if entry["study_id"] in self._studies
        ]


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); restore it") from error


def _record(number: int, study: str, entry: dict[str, Any]) -> Record:
    attributes = entry["user_attrs"]
    epochs = [value for name, value in attributes.items() if name.startswith(EPOCH)]
    trial = Trial.from_dict(attributes["trial"])
    identity, former = read_identity(trial, attributes)
    return Record(
        number=number,
        stage=study.partition("/")[0],
        trial=trial,
        identity=identity,
        params=entry["params"],
        distributions=entry["distributions"],
        state=_STATES[entry["state"]],
        epochs=sorted(epochs, key=lambda metrics: metrics["epoch"]),
        reason=attributes.get("reason", ""),
        reused_from=attributes.get("reused_from", ""),
        former=former,
        written_name=attributes.get("name", ""),
    )
