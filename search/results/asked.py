"""Under which name something is recommended: of all that compute the same, the sweep's own words for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from dropattack import UsageError
from search.records.record import Record, State

_ALWAYS = ("targets", "epsilon", "p", "k")
_STANDARD = "standard"


def name_rank(record: Record) -> tuple[Any, ...]:
    """Orders the names of one training as reports do: no control, the baseline, what trained it, by stage."""
    trial = record.trial
    values = (trial.hyperparameters[name] for name in sorted(trial.hyperparameters))
    other = trial.method != _STANDARD
    return bool(record.identity.control), other, bool(record.reused_from), record.stage, trial.method, *values


def asked(records: Iterable[Record], use: Mapping[str, Any]) -> Record:
    """The record whose words for a configuration are those of the verdict.

    Args:
        records: The sweep's, with one at least that is complete.
        use: What the verdict recommends; its ``family`` is a method or, of arms that compete, a stage.
    """
    own = [
        record
        for record in records
        if record.identity.configuration == use["configuration_id"] and record.state is State.COMPLETE
    ]

    def rank(record: Record) -> tuple[Any, ...]:
        control, *further = name_rank(record)
        return use["family"] not in (record.trial.method, record.stage), control, record.key, *further

    return min(own, key=rank)


def words(record: Record) -> tuple[str, dict[str, Any]]:
    """Method and hyperparameters that train a record's configuration: the best known, and what is no default.

    A control that attacks nothing, such as ``equal-passes``, is plain training, however it was asked for. If
    nobody gave the method's code, all hyperparameters are there.
    """
    trial = record.trial
    try:
        settings = trial.settings
        if record.identity.control and (plain := _plain(record)) is not None:
            return _STANDARD, plain
        defaults = type(settings)().to_dict()
    except UsageError:
        return trial.method, dict(trial.hyperparameters)
    told = trial.hyperparameters.items()
    return trial.method, {n: v for n, v in told if n in _ALWAYS or v != defaults[n]}


def _plain(record: Record) -> dict[str, Any] | None:
    """The settings of plain training that a control is on any kind of input; ``None`` for another control."""
    from dropattack import method_named  # with torch, which few answers need

    kind = method_named(record.trial.method)
    name, settings = kind.canonical(record.trial.settings, False)
    same = name == kind.canonical(record.trial.settings, True)[0] == _STANDARD
    return settings.stated() if same else None
