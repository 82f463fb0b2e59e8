"""A method's training steps inside of Hugging Face's Trainer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropattack.errors import UsageError
from dropattack.integrations.course import Course, check_method
from dropattack.method import Method
from dropattack.task import Arguments, Labels

_IGNORED = -100
"""The value that marks a missing label in Hugging Face's batches."""


def _predicts_next(model: Any) -> bool:
    """Whether a model's own loss compares each word with the one before, so that a first word is no label.

    The Trainer asks for the name of the loss, which models such as GPT-2 leave unset.
    """
    decodes = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    return not decodes and getattr(getattr(model, "loss_function", None), "__name__", "") == "ForCausalLMLoss"


class Attacked:
    """A mixin, listed before `transformers.Trainer` or before a subclass with its own ``compute_loss``.

    The Trainer accumulates, scales for float16, clips and logs as usual. Each training step computes the
    method's loss, whose backward pass adds the method's gradient. Evaluation is the Trainer's own.
    Checkpoints hold the method's state beside the Trainer's.

    With accumulation each batch is attacked alone, and counts as a step of the method. The loss of an update
    is the mean over the labels of all its batches, whether or not the model's own loss accepts their number.

    Args:
        *args: The Trainer's.
        method: Computes the training steps. The loss is the Trainer's, so the method's `Task` has none.
        **kwargs: The Trainer's.

    Raises:
        UsageError: There is no method, its task has a loss, or it makes updates of its own.

    Examples:
        >>> class AttackedTrainer(Attacked, transformers.Trainer): ...  # doctest: +SKIP
        >>> AttackedTrainer(model, args, train_dataset=data, method=create("fgm")).train()  # doctest: +SKIP
    """

    def __init__(self, *args: Any, method: Method[Any], **kwargs: Any) -> None:
        check_method(method)
        if method.task.loss is not F.cross_entropy or method.task.compute is not None:
            raise UsageError(
                "the Trainer computes the loss: pass it compute_loss_func=…, and leave loss out of the Task"
            )
        self.method = type(method)(method.settings, replace(method.task, compute=self._computed))
        self.method.check_handing_over()
        self._course = Course(self.method)
        self._trains = False
        super().__init__(*args, **kwargs)
        self.loss_is_scaled_for_ga = True
        self._loss_shifts_labels = _predicts_next(self._trainer.model)

    @property
    def _trainer(self) -> Any:
        """This object as the Trainer that it also is."""
        return self

    def training_step(self, model: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        """See `transformers.Trainer.training_step`."""
        state = self._trainer.state
        self._course.begin(int(state.epoch or 0), state.num_train_epochs or None)
        self._trains = True
        try:
            loss: Tensor = cast(Any, super()).training_step(model, *args, **kwargs)
        finally:
            self._trains = False
        return loss

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """See `transformers.Trainer.compute_loss`; in a training step the loss is the method's."""
        if not self._trains:
            plain: Any = super()
            return plain.compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        scaler = getattr(self._trainer.accelerator, "scaler", None)
        scale = None if scaler is None else scaler.scale(torch.ones((), device=self._trainer.args.device))
        seen = self.method.deferred(model, inputs, scale)
        loss = seen.loss * self._share(inputs, num_items_in_batch)
        return (loss, seen.outputs) if return_outputs else loss

    def _computed(self, model: nn.Module, inputs: Arguments, _: Labels) -> tuple[Tensor, Any]:
        """See `Task.compute`."""
        plain: Any = super()
        found: tuple[Tensor, Any] = plain.compute_loss(
            model, dict(cast(Mapping[str, Any], inputs)), True, num_items_in_batch=None
        )
        return found

    def _share(self, inputs: Mapping[str, Any], items: Any) -> float | Tensor:
        """The weight of a batch's mean loss in the loss of its update.

        Args:
            inputs: The batch.
            items: Number of labels in the whole update, over all processes where the Trainer averages over
                them; ``None`` where it is unknown, and each batch has the same weight.
        """
        trainer = self._trainer
        if items is None:
            return 1 / float(trainer.current_gradient_accumulation_steps)
        labels = inputs.get("shift_labels")
        if labels is None:
            labels = inputs["labels"][..., 1:] if self._loss_shifts_labels else inputs["labels"]
        processes = trainer.accelerator.num_processes if trainer.args.average_tokens_across_devices else 1
        share: Tensor = labels.ne(_IGNORED).sum() * processes / items
        return share

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        cast(Any, super())._save_optimizer_and_scheduler(output_dir)
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        torch.save(self._course.state_dict(), self._state_file(output_dir))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        cast(Any, super())._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        path = self._state_file(checkpoint)
        if not path.exists():
            raise UsageError(
                f"{path} is missing: a training without a method saved this checkpoint; resume from another"
            )
        self._course.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    def _state_file(self, folder: str) -> Path:
        """Where a checkpoint holds the method's state, for each process its own."""
        number = self._trainer.args.process_index if self._trainer.args.world_size > 1 else ""
        return Path(folder) / f"method{number}.pt"
