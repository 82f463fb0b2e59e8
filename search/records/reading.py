"""Reads the records of a journal from its lines, without Optuna, which defines and appends them.

A line is one operation on a study or a trial. Trials are numbered in the order in which they were created.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dropattack import UsageError
from search.definition.sweep import NAME
from search.records.identity import read_identity
from search.records.lines import CREATE_STUDY, CREATE_TRIAL, DELETE_STUDY, SET_ATTRIBUTE, SET_STATE, lines_of
from search.records.record import Record, State
from trainables.recipe.measured import Metrics
from trainables.trial import Trial

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""What the key of a trial, which is part of files' names, may be."""
_STAGE = re.compile(rf"{NAME.pattern}/.*", re.DOTALL)
"""A sweep, whose folder is looked into, and a stage of it."""

EPOCH = "epoch."
"""The prefix of the attributes that hold an epoch's metrics; none where the epoch was dropped."""

RETRIES = "retries"
"""Attribute of a trial that tries again what failed: where the failed one stands in the journal."""

_STATES = (State.RUNNING, State.COMPLETE, State.PRUNED, State.FAILED)
"""By their numbers in a journal, which are those of `optuna.trial.TrialState`."""

DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""The errors of reading a line that is not what was written."""

CHECK = "`dropattack store check` says what is lost, and mends"
"""What every line about damage ends with."""


def damage_line(path: Path, wrong: str, lost: str, then: str = CHECK) -> str:
    """A line about a damaged file: what is wrong with it, what is lost, and what to do."""
    return f"{path} {wrong}; lost is {lost}; {then}"


def read_records(path: Path) -> list[Record]:
    """All records of a journal, in order; none where there is no journal.

    A last line without its end, which is being written or was never finished, is left out.

    Raises:
        UsageError: Another line is not what was written there, or the file cannot be read.
    """
    read = Reader()
    for place, line in enumerate(lines_of(content_of(path)), 1):
        wrong = line.wrong or read.line(line.entry)
        if wrong:
            raise UsageError(f"line {place} of {path} is damaged: it {wrong}; {CHECK}")
    try:
        return read.records()
    except DAMAGE:
        raise UsageError(f"{path} is damaged: it holds a trial that is none; {CHECK}") from None


class Reader:
    """The state of a journal after its operations so far.

    Attributes:
        created: How many studies were ever created.
    """

    def __init__(self) -> None:
        self._studies: dict[int, str] = {}
        self.created = 0
        self._trials: list[dict[str, Any]] = []

    def line(self, entry: Mapping[str, Any]) -> str:
        """Carries out one operation; returns what is wrong with it, or nothing."""
        try:
            self._carry_out(dict(entry))
        except DAMAGE:
            return "is no operation that makes sense there"
        return ""

    def _carry_out(self, entry: dict[str, Any]) -> None:
        operation = int(entry["op_code"])
        if operation == CREATE_STUDY:
            if entry["study_name"] not in self._studies.values():
                self._studies[self.created] = entry["study_name"]
                self.created += 1
        elif operation == DELETE_STUDY:
            self._studies.pop(entry["study_id"], None)
        elif operation == CREATE_TRIAL and entry["study_id"] in self._studies:
            self._trials.append(entry)
        elif operation in (SET_STATE, SET_ATTRIBUTE):
            trial = self._trials[entry["trial_id"]]
            if trial["state"]:  # what is finished stays as it is
                return
            if operation == SET_STATE:
                trial["state"] = entry["state"]
            else:
                trial["user_attrs"] = {**trial["user_attrs"], **entry["user_attr"]}

    def studies(self) -> dict[str, int]:
        """Where each study stands, those that are deleted excepted."""
        return {name: number for number, name in self._studies.items()}

    def states(self) -> list[int]:
        """How each trial that was ever created stands, as Optuna numbers states; 0 is running."""
        return [trial["state"] for trial in self._trials]

    def records(self) -> list[Record]:
        """The trials of studies that are not deleted, in the order in which they were created.

        A trial that tries again what failed takes the place of that.
        """
        places: dict[int, int] = {}
        found: list[Record] = []
        for number, entry in enumerate(self._trials):
            if entry["study_id"] in self._studies:
                record = _record(number, self._studies[entry["study_id"]], entry)
                place = places.get(entry["user_attrs"].get(RETRIES, -1))
                if place is None:
                    places[number] = len(found)
                    found.append(record)
                else:
                    failed = found[place]
                    record.failures = [*failed.failures, failed]
                    places[number], found[place] = place, record
        return found


def content_of(path: Path) -> bytes:
    """A journal as it stands on the disk; nothing where there is none.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); {CHECK}") from error


def _record(number: int, study: str, entry: dict[str, Any]) -> Record:
    attributes = entry["user_attrs"]
    kept = [value for name, value in attributes.items() if name.startswith(EPOCH) and value is not None]
    epochs = list(map(_metrics, kept))
    trial = Trial.from_dict(attributes["trial"])
    identity, former = read_identity(trial, attributes)
    reused_from = attributes.get("reused_from") or ""
    if not all(_KEY.fullmatch(key) for key in (identity.key, former or identity.key)):
        raise ValueError("a trial's key is no name of a file")
    if reused_from and not _STAGE.fullmatch(reused_from):
        raise ValueError("what was reused is no stage of a sweep")
    return Record(
        number=number,
        stage=study.partition("/")[0],
        trial=trial,
        identity=identity,
        params=entry["params"],
        distributions=entry["distributions"],
        state=_STATES[entry["state"]],
        epochs=sorted(epochs, key=lambda metrics: metrics["epoch"]),
        reason=str(attributes.get("reason", "")),
        reused_from=reused_from,
        former=former,
        written_name=str(attributes.get("name", "")),
        written_passes=float(attributes.get("passes", 0)),
    )


def _metrics(values: Mapping[str, float]) -> Metrics:
    """The metrics of an epoch, which are numbers."""
    if not all(type(value) in (int, float) for value in values.values()):
        raise ValueError("a metric is no number")
    return dict(values)
