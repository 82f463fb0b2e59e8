"""Saves of a trial within an epoch, and the time that the death of its process cost."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from trainables import notice


class Life(NamedTuple):
    """The time for which a process trained a stack before it died, by `time.time`.

    Attributes:
        began: When it received the stack.
        died: When the driver learned of its death.
        trials: Number of trials in the stack, which share its time.
    """

    began: float
    died: float
    trials: int


class Saves:
    """Saves a training when a save is due; to be called between its steps.

    Args:
        save: Saves the training.
        seconds: Time from one save to the next; `None` to save only on a notice.

    Raises:
        PreemptedError: The process has a notice that it must end; the training is saved.
    """

    def __init__(self, save: Callable[[], object], seconds: float | None) -> None:
        self._save = save
        self._seconds = math.inf if seconds is None else seconds
        self._due = time.monotonic() + self._seconds

    def __call__(self) -> None:
        """Checks the host's clock, which needs no wait for a device, and whether there is a notice."""
        if notice.given():
            self._save()
            raise notice.PreemptedError(further=True)
        if time.monotonic() >= self._due:
            self._save()
            self._due = time.monotonic() + self._seconds


def lost_seconds(lives: Sequence[Life], checkpoint: Mapping[str, Any]) -> float:
    """A trial's share of the time since its last epoch whose work was lost and must be repeated.

    Args:
        lives: Lives of the processes that died with the trial.
        checkpoint: The last checkpoint, which records earlier losses; empty if there is none.
    """
    saved = float(checkpoint.get("saved_at", 0.0))
    known = float(checkpoint.get("lost_seconds", 0.0))
    after = [Life(*life) for life in lives if Life(*life).died > saved]
    return known + sum((life.died - max(life.began, saved)) / life.trials for life in after)
