"""A method's training steps inside of a LightningModule."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from dropattack.integrations.course import Course
from dropattack.method import Method


class Attacked:
    """A mixin, listed before `lightning.LightningModule`; the module sets ``self.method``.

    With automatic optimization ``training_step`` returns `attacked_loss`; Lightning then accumulates, scales,
    clips and updates as usual. With manual optimization it calls
    ``self.method.step(model, batch, self.optimizers())``, which clears and updates by itself. Either way
    checkpoints hold the method's state.

    Attributes:
        method: Computes the training steps.

    Examples:
        >>> class Classifier(Attacked, LightningModule):  # doctest: +SKIP
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.model, self.method = resnet18(), create("sam")
        ...
        ...     def training_step(self, batch, index):
        ...         return self.attacked_loss(self.model, batch)
    """

    method: Method[Any]

    def attacked_loss(self, model: nn.Module, batch: Any) -> Tensor:
        """The loss of a batch, whose backward pass adds the method's gradient; see `Gathering.deferred`.

        Args:
            model: What the method attacks: a module that the LightningModule holds.
            batch: See `Method.step`.
        """
        scaler = getattr(self._module.trainer.precision_plugin, "scaler", None)
        scale = None if scaler is None else scaler.scale(torch.ones((), device=self._module.device))
        return self.method.deferred(model, batch, scale).loss

    @property
    def _module(self) -> Any:
        """This object as the LightningModule that it also is."""
        return self

    @property
    def _course(self) -> Course:
        held = self.__dict__.get("_held_course")
        if held is None or held.method is not self.method:
            held = self.__dict__["_held_course"] = Course(self.method)
        return cast(Course, held)

    def on_train_epoch_start(self) -> None:
        """See `lightning.LightningModule`; announces the epoch to the method."""
        cast(Any, super()).on_train_epoch_start()
        epochs = self._module.trainer.max_epochs
        known = epochs if epochs and epochs > 0 else None
        self._course.begin(self._module.current_epoch, known)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `lightning.LightningModule`; adds the method's state."""
        cast(Any, super()).on_save_checkpoint(checkpoint)
        checkpoint["dropattack_method"] = self._course.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """See `lightning.LightningModule`; restores the method's state."""
        cast(Any, super()).on_load_checkpoint(checkpoint)
        if "dropattack_method" in checkpoint:
            self._course.load_state_dict(checkpoint["dropattack_method"])
