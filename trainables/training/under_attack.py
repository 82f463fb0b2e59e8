"""How well a model withstands attacks on a whole split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dropattack import Batch, Task, UsageError
from dropattack.robustness import ZERO_GRADIENT, Bounds, Case, attacking, input_gradient, victim
from trainables.data.dataset import Data
from trainables.data.splits import Split, stratified_subset
from trainables.recipe.fitting import in_batches
from trainables.recipe.measured import Metrics
from trainables.trial import Trial


@dataclass(frozen=True)
class Evaluation:
    """What attacks on a model go by.

    Attributes:
        task: For texts maps ``input`` to the embedding's weight, and tells words from padding.
        bounds: Smallest and largest valid value of a continuous input.
        seed: Gives every case its own seed, so that its result does not depend on what else is measured.
    """

    task: Task
    bounds: Bounds
    seed: Callable[[str], int]

    @classmethod
    def of(cls, trial: Trial, data: Data) -> "Evaluation":
        """How a trial's models are attacked, while it trains and afterwards."""
        targets = trial.architecture.targets
        return cls(Task(names=targets, words=data.words), data.bounds, trial.seed_for)

    def metrics(
        self, model: nn.Module, split: Split, cases: Sequence[Case], source: nn.Module | None = None
    ) -> Metrics:
        """Accuracy under each case, by `Case.metric`, and the share of vanished gradients.

        Args:
            model: What is tested, in eval mode meanwhile; neither its parameters nor its gradients change.
            split: On what.
            cases: The attacks.
            source: Where cases of transfer make their examples.
        """
        zero = {ZERO_GRADIENT: self.zero_gradient(model, split)}
        return zero | {case.metric: self.accuracy(model, split, case, source) for case in cases}

    def zero_gradient(self, model: nn.Module, split: Split) -> float:
        """Share of the examples, in [0, 1], whose cross entropy has a gradient of all zeros by its input."""
        device = split.labels.device

        def found(size: int) -> int:
            zero = torch.zeros((), dtype=torch.int64, device=device)
            for inputs, labels in split.batches(size):
                attacked = victim(model, inputs, self.task, self.bounds)
                gradient = input_gradient(attacked, labels, attacked.start)
                zero += (gradient.flatten(1) == 0).all(1).sum()
            return int(zero)

        with attacking(model):
            return in_batches(found, device) / len(split)

    def accuracy(self, model: nn.Module, split: Split, case: Case, source: nn.Module | None = None) -> float:
        """Accuracy under one case, in [0, 1], on the examples that `attacked_part` gives. See `metrics`."""
        if case.transfer and source is None:
            raise UsageError(f"{case.name} needs a model to make its examples on")
        split = attacked_part(split, case)
        device = split.labels.device
        attacked = source if source is not None and case.transfer else model

        def found(size: int) -> int:
            generator = torch.Generator(device).manual_seed(self.seed(f"{case.name} {case.epsilon:g}"))
            right = torch.zeros((), dtype=torch.int64, device=device)
            for batch in split.batches(size):
                right += self._right(model, batch, case, attacked, generator)
            return int(right)

        with attacking(model, attacked):
            return in_batches(found, device) / len(split)

    def _right(
        self, model: nn.Module, batch: Batch, case: Case, source: nn.Module, generator: torch.Generator
    ) -> Tensor:
        inputs, labels = batch
        point = case.attack(victim(source, inputs, self.task, self.bounds), labels, case.epsilon, generator)
        with torch.no_grad():
            outputs = victim(model, inputs, self.task, self.bounds).outputs(point)
        right: Tensor = (outputs.argmax(1) == labels).sum()
        return right


def attacked_part(split: Split, case: Case) -> Split:
    """The examples that a case attacks: all, or as many as it says, the same for every trial."""
    if not 0 < case.examples < len(split):
        return split
    return split.subset(stratified_subset(split.labels, case.examples, seed=0))
