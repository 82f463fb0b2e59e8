"""When a trial is saved within an epoch, and what the death of its process cost."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from trainables import notice


class Life(NamedTuple):
    """The time that a process trained a stack before it died, by `time.time`.

    Attributes:
        began: When it was given the stack.
        died: When that was heard of.
        trials: How many trials the stack had, who share its time.
    """

    began: float
    died: float
    trials: int


class Saves:
    """Called between the steps of a training, saves it when that is due.

    Args:
        save: Saves it.
        seconds: How long after its last save; `None` for a notice only.

    Raises:
        PreemptedError: The process has notice that it must end; the training is saved.
    """

    def __init__(self, save: Callable[[], object], seconds: float | None) -> None:
        self._save = save
        self._seconds = math.inf if seconds is None else seconds
        self._due = time.monotonic() + self._seconds

    def __call__(self) -> None:
        """Looks at the clock of the host, which waits for no device, and at whether there is notice."""
        if notice.given():
            self._save()
            raise notice.PreemptedError(further=True)
        if time.monotonic() >= self._due:
            self._save()
            self._due = time.monotonic() + self._seconds


def lost_seconds(lives: Sequence[Life], checkpoint: Mapping[str, Any]) -> float:
    """A trial's share of the time whose work was lost since its last epoch, and has to be done again.

    Args:
        lives: Of the processes that died with the trial.
        checkpoint: What was saved last; empty where nothing was. It knows what had been lost before it.
    """
    saved = float(checkpoint.get("saved_at", 0.0))
    known = float(checkpoint.get("lost_seconds", 0.0))
    after = [Life(*life) for life in lives if Life(*life).died > saved]
    return known + sum((life.died - max(life.began, saved)) / life.trials for life in after)
