"""An epoch in progress: the sums over its steps so far, so that a training can resume within it."""

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dropattack.step_result import StepResult
from trainables.recipe.measured import Metrics


class UnderWay:
    """Sums over the steps of one epoch so far, in tensors, so that the host does not wait for a device.

    Args:
        shuffling: The state, before the epoch, of the generator that orders its examples.
        device: Where the model trains.

    Attributes:
        shuffling: The same.
        steps: Number of steps taken.
        batches: Number of their batches.
        started: When the epoch would have begun without interruption, by `time.perf_counter`.
    """

    def __init__(self, shuffling: Tensor, device: torch.device) -> None:
        self.shuffling = shuffling
        self.steps = self.batches = self._examples = 0
        self.started = time.perf_counter()
        self._loss_sum = torch.zeros((), device=device)
        self._hits: list[Tensor] = []
        self._logs: dict[str, list[Tensor]] = {}

    def add(self, result: StepResult, hits: Tensor | None, examples: int, batches: int) -> None:
        """Adds a step to the sums.

        Args:
            result: The step's result.
            hits: Number of examples that were right, 0-dimensional; ``None`` if the objective has none.
            examples: Number of examples.
            batches: Number of batches.
        """
        self.steps += 1
        self.batches += batches
        self._examples += examples
        self._loss_sum += result.loss * examples
        if hits is not None:
            self._hits.append(hits)
        for name, value in result.log.items():
            self._logs.setdefault(name, []).append(value)

    def metrics(self) -> Metrics:
        """Means over the examples; means over the steps for the entries of their logs."""
        metrics: Metrics = {"train_loss": self._loss_sum.item() / self._examples, "train_steps": self.steps}
        if self._hits:
            metrics["train_accuracy"] = int(torch.stack(self._hits).sum()) / self._examples
        logs = {f"train_{name}": torch.stack(values).mean().item() for name, values in self._logs.items()}
        return metrics | logs

    def state_dict(self) -> dict[str, Any]:
        """The state that the rest of the epoch depends on, beside the training's own."""
        return {
            "shuffling": self.shuffling,
            "steps": self.steps,
            "batches": self.batches,
            "examples": self._examples,
            "seconds": time.perf_counter() - self.started,
            "loss_sum": self._loss_sum,
            "hits": torch.stack(self._hits) if self._hits else torch.empty(0),
            "logs": {name: torch.stack(values) for name, values in self._logs.items()},
        }

    @classmethod
    def of(cls, state: Mapping[str, Any], device: torch.device) -> "UnderWay":
        """Restores an epoch from its `state_dict`."""
        found = cls(state["shuffling"].cpu(), device)
        found.steps, found.batches, found._examples = state["steps"], state["batches"], state["examples"]
        found.started -= state["seconds"]
        found._loss_sum = state["loss_sum"].to(device)
        found._hits = list(state["hits"].to(device))
        found._logs = {name: list(values.to(device)) for name, values in state["logs"].items()}
        return found
