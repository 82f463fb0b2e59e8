"""A method's progress through a training, for trainers that count epochs, stop and resume."""

from collections.abc import Mapping
from typing import Any

from dropattack.errors import UsageError
from dropattack.method import Method


def check_method(method: Any) -> None:
    """Checks that a trainer received a method.

    Raises:
        UsageError: It received something else, such as a name.
    """
    if not isinstance(method, Method):
        given = repr(method) if isinstance(method, str | None) else type(method).__name__
        raise UsageError(f"method must be a Method, such as dropattack.create('sam'), not {given}")


class Course:
    """Announces each epoch to a method, and saves what must outlive a restart.

    Args:
        method: The method that trains.

    Raises:
        UsageError: It is no method.
    """

    def __init__(self, method: Method[Any]) -> None:
        check_method(method)
        self.method = method
        self._epoch, self._until = -1, 0.0

    def begin(self, epoch: int, epochs: int | None) -> None:
        """Announces an epoch to the method, once however often it is called.

        Args:
            epoch: Counted from 0.
            epochs: Of the whole training; with ``None``, for an unknown number, a ``start`` is refused.
        """
        if epoch == self._epoch:
            return
        self._epoch = epoch
        if epochs is not None:
            self._until = self.method.until = min(1.0, (epoch + 1) / epochs)
        self.method.begin_epoch(0.0 if epochs is None else epoch / epochs)

    def state_dict(self) -> dict[str, Any]:
        """The method's state and steps, its generator's state, and the epoch."""
        generator = self.method.task.generator
        return {
            "method": self.method.state_dict(),
            "steps": self.method.steps,
            "generator": None if generator is None else generator.get_state(),
            "epoch": self._epoch,
            "until": self._until,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.method.load_state_dict(state["method"])
        self.method.steps, self._epoch = state["steps"], state["epoch"]
        if state["until"]:
            self._until = self.method.until = state["until"]
        if self.method.task.generator is not None and state["generator"] is not None:
            self.method.task.generator.set_state(state["generator"].cpu())
