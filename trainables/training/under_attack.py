"""Measures a model under attacks on a whole split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dropattack import Batch, Task, UsageError
from dropattack.robustness import (
    PARTS,
    ZERO_GRADIENT,
    Bounds,
    Case,
    attacking,
    input_gradient,
    part,
    victim,
)
from trainables.data.dataset import Data
from trainables.data.splits import Split, stratified_subset
from trainables.recipe.fitting import ON_A_GPU, in_batches
from trainables.recipe.measured import Metrics
from trainables.training.attackable import check_attackable
from trainables.trial import Trial

Told = Callable[[str], None]
"""Receives a line about the progress of a long attack."""
Examples = Callable[[Batch, torch.Generator], Tensor]
"""Computes the attacked points of a batch."""
_CLEAN = "clean"


@dataclass(frozen=True)
class Evaluation:
    """The setting in which models are attacked.

    Attributes:
        task: For texts maps ``input`` to the embedding's weight, and separates words from padding.
        bounds: Smallest and largest valid value of a continuous input.
        seed: Returns a seed for each case, so that its result does not depend on other measurements.
    """

    task: Task
    bounds: Bounds
    seed: Callable[[str], int]

    @classmethod
    def of(cls, trial: Trial, data: Data) -> "Evaluation":
        """Builds the setting for a trial's models, while it trains and afterwards."""
        targets = trial.architecture.targets
        return cls(Task(names=targets, words=data.words), data.bounds, trial.seed_for)

    @classmethod
    def checked(cls, trial: Trial, data: Data) -> "Evaluation":
        """As `of`, and checks that the trial's own attacks fit its data; see `check_attackable`."""
        check_attackable(trial.training_settings.cases, data.valid, data, trial.workload)
        return cls.of(trial, data)

    def metrics(
        self,
        model: nn.Module,
        split: Split,
        cases: Sequence[Case],
        source: nn.Module | None = None,
        told: Told | None = None,
    ) -> Metrics:
        """Accuracy under each case, by `Case.metric`, and the share of vanished gradients.

        Args:
            model: The model to test, in eval mode meanwhile; neither its parameters nor its gradients change.
            split: The examples.
            cases: The attacks. For several attacks in turn, metrics also hold what each left, `Case.left_by`.
            source: The model on which cases of transfer make their examples.
            told: Receives the progress of several attacks in turn.
        """
        found = {ZERO_GRADIENT: self.zero_gradient(model, split)}
        for case in cases:
            if case.attack.in_turn:
                found |= self._in_turn(model, split, case, told)
            else:
                found[case.metric] = self.accuracy(model, split, case, source)
        return found

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
            raise UsageError(f"{case.name} needs a model to make its examples on; pass one as source")
        if case.attack.in_turn:
            return self._in_turn(model, split, case)[case.metric]
        split = attacked_part(split, case)
        attacked = source if source is not None and case.transfer else model

        def examples(batch: Batch, generator: torch.Generator) -> Tensor:
            start = victim(attacked, batch[0], self.task, self.bounds)
            return case.attack(start, batch[1], case.epsilon, generator)

        with attacking(model, attacked):
            return int(self._right(model, split, case, examples).sum()) / len(split)

    def _in_turn(self, model: nn.Module, split: Split, case: Case, told: Told | None = None) -> Metrics:
        """Accuracy under attacks in turn, each on examples that earlier ones left right; what each left."""
        standing = attacked_part(split, case)
        whole = len(standing)
        left: dict[str, float] = {}
        with attacking(model):
            for name in (_CLEAN, *PARTS):
                if len(standing):
                    right = self._right(model, standing, case, self._made_by(name, model, case), name)
                    standing = standing.subset(right.nonzero().squeeze(1))
                left[name] = len(standing) / whole
                if told is not None:
                    when = "without an attack" if name == _CLEAN else f"after {name}"
                    told(f"{case.name} ε {case.epsilon:g}: {len(standing):,} of {whole:,} right {when}")
        return {case.metric: left[PARTS[-1]]} | {case.left_by(name): left[name] for name in PARTS[:-1]}

    def _made_by(self, name: str, model: nn.Module, case: Case) -> Examples:
        """One of several attacks in turn, on batches that are classified rightly."""

        def examples(batch: Batch, generator: torch.Generator) -> Tensor:
            start = victim(model, batch[0], self.task, self.bounds)
            return start.start if name == _CLEAN else part(name, start, batch[1], case.epsilon, generator)

        return examples

    def _right(
        self, model: nn.Module, split: Split, case: Case, examples: Examples, name: str = ""
    ) -> Tensor:
        """Which examples of a split are right at the attacked points of its batches, ``[n]``.

        The draws depend on the case and the attack's ``name`` alone.
        """
        device = split.labels.device
        seed = self.seed(" ".join(filter(None, [case.name, f"{case.epsilon:g}", name])))

        def right(size: int) -> Tensor:
            generator = torch.Generator(device).manual_seed(seed)
            found = []
            for batch in split.batches(size):
                point = examples(batch, generator)
                with torch.no_grad():
                    outputs = victim(model, batch[0], self.task, self.bounds).outputs(point)
                found.append(outputs.argmax(1) == batch[1])
            return torch.cat(found)

        return in_batches(right, device, 4 * ON_A_GPU if name else ON_A_GPU)


def attacked_part(split: Split, case: Case) -> Split:
    """The examples that a case attacks: all, or its number of them, the same for every trial."""
    if not 0 < case.examples < len(split):
        return split
    return split.subset(stratified_subset(split.labels, case.examples, seed=0))
