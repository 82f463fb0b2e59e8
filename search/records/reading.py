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


def read_records(path: Path) -> list[Record]:
    """All records of a journal, in order; none where there is no journal.

    A last line without its end, which is being written or was never finished, is left out.

    Raises:
        UsageError: Another line cannot be read.
    """
    studies: dict[int, str] = {}
    created = 0
    trials: list[dict[str, Any]] = []
    for number, line in enumerate(_lines(path), 1):
        try:
            entry = json.loads(line)
        except ValueError:
            raise UsageError(
                f"line {number} of {path} is damaged; restore the file, or name another --store"
            ) from None
        operation = entry["op_code"]
        if operation == _CREATE_STUDY:
            if entry["study_name"] not in studies.values():
                studies[created] = entry["study_name"]
                created += 1
        elif operation == _DELETE_STUDY:
            studies.pop(entry["study_id"], None)
        elif operation == _CREATE_TRIAL and entry["study_id"] in studies:
            trials.append(entry)
        elif operation in (_SET_STATE, _SET_ATTRIBUTE):
            trial = trials[entry["trial_id"]]
            if trial["state"]:  # what is finished stays as it is
                continue
            if operation == _SET_STATE:
                trial["state"] = entry["state"]
            else:
                trial["user_attrs"] |= entry["user_attr"]
    return [
        _record(number, studies[entry["study_id"]], entry)
        for number, entry in enumerate(trials)
        if entry["study_id"] in studies
    ]


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


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
