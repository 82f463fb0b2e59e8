"""How a trial trains, whatever the method: the settings of a recipe."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Self

from typing_extensions import override

from dropattack import Settings, UsageError, setting
from dropattack.methods.standard import nearest
from dropattack.robustness import Case, canonical_grid, parse_grid
from trainables.recipe import augmentation, averaging, optimizer, schedule
from trainables.recipe.batches import KEEP, LAST_BATCHES, batch_count
from trainables.recipe.examples import BATCHES, CLEAN
from trainables.recipe.precision import PRECISIONS
from trainables.recipe.splitting import FIXED, SPLITS

_ROUNDING = 1e-9


def _summed(of_epoch: Callable[[float], float], epochs: int, until: int) -> float:
    """Sums a value that changes at most once in a training, over the epochs up to ``until``.

    Args:
        of_epoch: Maps the share of the training that is done at an epoch's end to that epoch's value.
        epochs: Number of epochs in the whole training.
        until: The last epoch that counts.
    """
    early, late = of_epoch(1 / epochs), of_epoch(1)
    changed = bisect_left(range(1, epochs + 1), True, key=lambda epoch: of_epoch(epoch / epochs) == late)
    return min(until, changed) * early + max(0, until - changed) * late


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(optimizer.OptimizerSettings, schedule.ScheduleSettings, averaging.AveragingSettings):
    """How a trial trains, whatever the method; the defaults are those of DropAttack's paper (section 4.2)."""

    epochs: int = setting(10, "Passes over the training split; the budget that ASHA cuts.", low=1)
    batch_size: int = setting(128, "Examples per step.", low=1)
    train_size: int = setting(0, "Training examples, stratified and nested by seed; 0 for all.", low=0)
    split: str = setting(
        FIXED,
        "How examples are split into training, validation and test: as in the dataset, redrawn in the same "
        "sizes for each seed, or with one group of examples to test on, in turn by the seed.",
        choices=SPLITS,
    )
    best_by: str = setting(
        "accuracy",
        "Validation metric that selects the best epoch, whose model is tested; a sweep sets its own. One of "
        "the workload's objective, or of robustness such as pgd-20_0.3_accuracy, measured after every epoch.",
    )
    balanced: bool = setting(False, "Whether train_size takes equally many examples of every class.")
    examples: str = setting(
        "clean",
        "Examples of every step: the batch, its FGSM examples alone, or both (scenarios 1 to 3 of the "
        "APB paper).",
        choices=tuple(BATCHES),
    )
    examples_epsilon: float = setting(
        0.3, "ε of those FGSM examples, in pixel units; no effect with clean.", low=0, high=1
    )
    robustness: str = setting(
        "",
        "Attacks and their ε to test the best model with, as fgsm:0.1,0.3+pgd-20-of-1000:0.3, where "
        "-of- limits the examples; empty for none.",
    )
    test: bool = setting(
        True,
        "Whether the best model is tested on the test split at the end. Stages that choose need no test; a "
        "confirmation always tests.",
    )
    last_batch: str = setting(
        KEEP,
        "Treatment of a batch that is shorter than batch_size: kept, dropped, or merged with another.",
        choices=LAST_BATCHES,
    )
    augment: str = setting(
        augmentation.NONE,
        f"Random changes of training images: {', '.join(augmentation.AUGMENTATIONS)}, or one that the "
        "workload defines; attacks see the changed batch.",
    )
    label_smoothing: float = setting(
        0.0, "Share of each label that is spread over all classes, in the training loss.", low=0, high=1
    )
    patience: int = setting(
        0, "Epochs without improvement after which a trial ends early; 0 for never.", low=0
    )
    precision: str = setting(
        "float32",
        "Arithmetic of matrix products: float32, tf32 (on a GPU), or bfloat16 or float16 in the passes of a "
        "step; float16 scales the loss.",
        choices=PRECISIONS,
    )

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "robustness", canonical_grid(self.robustness))
        transferred = [case.name for case in self.cases if case.transfer]
        if transferred:
            raise UsageError(
                f"robustness cannot hold {transferred[0]}, which needs another model; "
                "`dropattack robustness` adds it to trained ones"
            )

    @property
    def cases(self) -> list[Case]:
        """The attacks of `robustness`."""
        return parse_grid(self.robustness)

    @property
    def best_case(self) -> Case | None:
        """The attack whose accuracy `best_by` names, if it names one."""
        return next((case for case in self.cases if case.metric == self.best_by), None)

    def passes_of(self, method: Settings, until: int | None = None) -> float:
        """Forward-backward passes that a batch costs a method, with those that make adversarial examples.

        Args:
            method: The method's settings.
            until: Last epoch to count; ``None`` for the whole training.
        """
        return self._cost(method, self.epochs, self.epochs if until is None else until)

    def within(self, passes: int, method: Settings) -> Self:
        """The same settings with as many epochs, at least one, as a method has for so many passes."""

        def cost(epochs: int) -> float:
            return self._cost(method, epochs, epochs)

        bought = bisect_right(range(1, passes + 1), passes + _ROUNDING, key=cost)
        return replace(self, epochs=max(1, bought))

    def _cost(self, method: Settings, epochs: int, until: int) -> float:
        made = self.examples != CLEAN

        def passes(share: float) -> float:
            return BATCHES[self.examples] * method.passes_at(share) + made * method.rounds_at(share)

        return _summed(passes, epochs, until)

    def steps_of(self, method: Settings, examples: int) -> int:
        """Steps of the whole training; each is an update, except of methods that make several.

        Args:
            method: The method's settings.
            examples: Number of examples in the training split.
        """
        batches = batch_count(examples, self.batch_size, self.last_batch)

        def steps(share: float) -> int:
            return ceil(nearest(method.rounds_at(share) * batches) / self.accumulate)

        return round(_summed(steps, self.epochs, self.epochs))

    @property
    def idle(self) -> list[str]:
        """Names of the settings that have no effect beside the others."""
        idle = [] if self.examples != CLEAN else ["examples_epsilon"]
        idle += [] if self.train_size else ["balanced"]
        return [*idle, *optimizer.idle(self), *schedule.idle(self), *averaging.idle(self)]

    def canonical(self) -> Self:
        """The one spelling of all settings that train and measure the same."""
        return self.without(*self.idle)
