"""What is compared in a workload: plain training, the method that validation chooses, and its controls."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.questions.answers import Effect
from analysis.questions.by_size import OnExamples
from analysis.questions.controls import PLAIN
from dropattack.settings import EQUAL_PASSES

SAME_COST = 0.01
"""Passes that differ by at most this share cost the same: attacks that pause make fractions of passes."""

SPENT = 0.9
"""The share of a budget of passes that counts as all of it, since epochs are whole."""


@dataclass(frozen=True)
class Arm:
    """One way to train, as it was scored.

    Attributes:
        family: The method's name, or that of the control.
        control: Which control it is; "" of a method and of plain training.
        configuration: Its settings for people.
        identity: Names the configuration; see `trainables.trial.Identity`.
        passes: Forward-backward passes over the training split, an epoch.
        epochs: For how many epochs it trains; NaN where that is not recorded.
        total: Its passes in all; NaN where epochs are not recorded.
        cost: Its passes as a multiple of plain training's under the same settings; 1 for what takes at least
            `SPENT` of a budget of passes.
        n: How many seeds it has.
        mean: Mean result, in the metric's unit.
        low: Lower end of its 95 % interval; NaN where there is none.
        high: Upper end.
        over_baseline: Its gain over plain training of the same seeds; with n = 0 for plain training itself.
        method_over: For a control: the method's gain over it, at the same settings if it ran with them.
        alike: Whether it ran with them.
        results: Its result by seed, larger is better.
        is_baseline: Whether it is plain training at one pass per step.
        is_chosen: Whether it is the method that validation chooses.
        keeps: Whether its means keep to the sweep's constraints.
    """

    family: str
    control: str
    configuration: str
    identity: str
    passes: float
    epochs: float
    total: float
    cost: float
    n: int
    mean: float
    low: float
    high: float
    over_baseline: Effect
    method_over: Effect
    alike: bool
    results: Mapping[float, float]
    is_baseline: bool
    is_chosen: bool
    keeps: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether it is standard training, in however many passes."""
        return self.is_baseline or self.control in PLAIN

    @property
    def costs_nothing(self) -> bool:
        """Whether it takes no more passes in all than plain training does."""
        return math.isclose(self.cost, 1, rel_tol=SAME_COST)

    @property
    def misses_budget(self) -> bool:
        """Whether its whole epochs take much less, or more, than a budget of passes."""
        return self.cost < SPENT or 1 + SAME_COST < self.cost < self.passes * (1 - SAME_COST)

    def costs_as_much_as(self, other: "Arm") -> bool:
        """Whether both take as many passes."""
        return math.isclose(self.cost, other.cost, rel_tol=SAME_COST)


@dataclass(frozen=True)
class Chosen:
    """What validation chooses among a workload's attacks.

    Attributes:
        family: The method's name, of several that compute this the one that reports use.
        configuration: For people.
        identity: See `Arm.identity`.
        valid: Mean validation value over the searched seeds; NaN where it ran on fresh ones alone.
        seeds: How many searched seeds it has.
        candidates: How many configurations of attacks it was chosen from, with pruned ones.
        training: How its training settings differ from others, for people; "" if there are no others.
    """

    family: str
    configuration: str
    identity: str
    valid: float
    seeds: int
    candidates: int
    training: str


@dataclass(frozen=True)
class Compared:
    """What is compared in a workload, all under the training settings of what validation chooses.

    Attributes:
        workload: Its name.
        arms: Plain training first, then by gain as reports order them.
        chosen: What validation chooses; nothing where there is no attack.
        trials: The complete trials under these training settings.
        examples: How many training examples these ask for; infinity for all of the split.
        other_sizes: What the method gains on other numbers of examples, all else alike.
        plain_lacks: The settings in which all plain training differs from the method; nothing where some
            shares them all, or none ran.
    """

    workload: str
    arms: Sequence[Arm]
    chosen: Chosen | None
    trials: pd.DataFrame
    examples: float
    other_sizes: Sequence[OnExamples]
    plain_lacks: Sequence[str] = ()

    @property
    def baseline(self) -> Arm | None:
        """Plain training; nothing where it did not run."""
        return next((arm for arm in self.arms if arm.is_baseline), None)

    @property
    def method(self) -> Arm | None:
        """What validation chooses, as it was scored; nothing where there is no attack."""
        return next((arm for arm in self.arms if arm.is_chosen), None)

    @property
    def equal_cost(self) -> Arm | None:
        """Plain training at the method's cost that shares seeds with it; ``None`` if there is none."""
        method = self.method
        found = [
            arm
            for arm in self.arms
            if arm.control in PLAIN and arm.method_over.n and method is not None
            if arm.alike or arm.costs_as_much_as(method)
        ]
        return min(found, key=lambda arm: arm.control != EQUAL_PASSES, default=None)
