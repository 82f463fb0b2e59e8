"""Which code a sweep's records belong to: records of other code stay in the journal, and apart."""

from collections.abc import Mapping

from trainables.trial import Trial

SweepCode = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Digests of user code by module, by workload and method; see `trainables.usercode`."""

TRAINED_BY = "trained by"
"""Stands among the modules of a trial that another trainer than this project's trained, with its digest."""


def expected(code: SweepCode, trial: Trial) -> Mapping[str, str] | None:
    """A sweep's code of a trial's workload and method; ``None`` if it lacks either."""
    return code.get(trial.workload, {}).get(trial.method)


def is_apart(code: SweepCode, trial: Trial) -> bool:
    """Whether a trial was trained with other code than the sweep has for it."""
    now = expected(code, trial)
    return now is not None and dict(now) != dict(trial.code)


def has_own_code(trial: Trial, suspected: bool) -> bool:
    """Whether a trial was trained with code that a user brought.

    Args:
        trial: The trial.
        suspected: Whether a trial of a user's workload counts that has no code noted, as earlier versions
            left it.
    """
    return bool(trial.code) or (suspected and ":" in trial.workload)
