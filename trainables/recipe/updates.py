"""The updates of a training: the loss's scale, the optimizer, its rate, and the average of weights."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from trainables.recipe.averaging import averaged
from trainables.recipe.optimizer import optimizer_for
from trainables.recipe.precision import scaling_for
from trainables.recipe.schedule import schedule_for
from trainables.recipe.settings import TrainingSettings


class Updates:
    """A model's optimizer with its schedule, and the average of its weights.

    Args:
        model: The model that trains.
        settings: The recipe.
        steps: Number of steps in the whole training, over which the schedule runs.

    Attributes:
        optimizer: torch's own.
        scaling: Scales the losses, if their precision needs it.
    """

    def __init__(self, model: nn.Module, settings: TrainingSettings, steps: int) -> None:
        self.optimizer = optimizer_for(model, settings)
        self.scaling = scaling_for(settings.precision)
        self._model = model
        self._schedule = schedule_for(self.optimizer, settings, steps)
        self._average = averaged(model, settings)

    def stepped(self, until: float) -> None:
        """Advances the schedule after a step, and adds the new weights to the average.

        Args:
            until: Share of the training that is done at the end of the epoch, in (0, 1].
        """
        if self._schedule is not None:
            self._schedule.step()
        if self._average is not None:
            self._average.update(until)

    @property
    def evaluated(self) -> nn.Module:
        """The model whose weights are validated, tested and kept."""
        return self._model if self._average is None else self._average.model

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next updates depend on beside the model, by name."""
        parts = {
            "optimizer": self.optimizer,
            "schedule": self._schedule,
            "average": self._average,
            "scaling": self.scaling,
        }
        return {name: part.state_dict() for name, part in parts.items() if part is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned; ignores other entries."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self._schedule is not None:
            self._schedule.load_state_dict(state["schedule"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        if self.scaling is not None:
            self.scaling.load_state_dict(state["scaling"])
