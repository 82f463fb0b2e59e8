"""Several aims, and the rule by which one configuration is best: for reports, the console and the search."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from trainables.recipe.measured import SMALLER_IS_BETTER

PASSES = "passes"
"""The aim that is a cost: forward-backward passes over the training split, of the whole training."""
DIGITS = 12
"""Decimals to which means are compared: what differs beyond them differs by rounding."""
SCORE = "score"
"""What weights decide by: the weighted sum of the aims, each turned so that larger is better."""

_COMPARISON = re.compile(r"\s*(\S+)\s*([<>]=)\s*([^\s<>=]+)\s*")
_WORDS = {">=": "at least", "<=": "at most"}


def own_mode(metric: str) -> str:
    """Which way is up, ``max`` or ``min``, of a metric that ships; ``max`` of others."""
    return "min" if metric in (*SMALLER_IS_BETTER, PASSES) else "max"


@dataclass(frozen=True)
class Goal:
    """A metric of the validation split, or `PASSES`, and which way is up.

    Attributes:
        metric: Its name, without a split.
        sign: 1 where more is better, -1 where less is.
    """

    metric: str
    sign: int

    @property
    def column(self) -> str:
        """Its name in results."""
        return f"valid_{self.metric}"


@dataclass(frozen=True)
class Constraint:
    """What a configuration must keep to, such as ``accuracy >= 0.97``.

    Attributes:
        metric: Of which.
        relation: ``>=`` or ``<=``.
        bound: The last value that is allowed.
    """

    metric: str
    relation: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Reads a constraint as a sweep file has it.

        Raises:
            ValueError: It is no comparison of a metric with a number.
        """
        found = _COMPARISON.fullmatch(text)
        try:
            bound = float(found[3]) if found else math.nan
        except ValueError:
            bound = math.nan
        if found is None or not math.isfinite(bound):
            raise ValueError(
                f"{text!r} is no comparison; write a metric, >= or <=, and a number, such as accuracy >= 0.97"
            )
        return cls(found[1], found[2], bound)

    @property
    def sign(self) -> int:
        """1 where more of the metric keeps to it, -1 where less does."""
        return 1 if self.relation == ">=" else -1

    def margin(self, value: float) -> float:
        """How far a value keeps to it, as a share of the bound; below 0 where it does not."""
        return self.sign * (value - self.bound) / (abs(self.bound) or 1.0)

    @override
    def __str__(self) -> str:
        return f"{self.metric} of {_WORDS[self.relation]} {self.bound:g}"


@dataclass(frozen=True)
class Rule:
    """What a sweep aims at, and which configuration is its best.

    Constraints come first: of configurations whose means keep to all of them, or, where none does, are the
    least beyond, the best is that of the largest weighted sum of the aims; without weights that of the best
    first aim that no constraint is on; where all have one, of the first.

    Attributes:
        goals: The aims; one where a sweep selects by one metric.
        constraints: What its best must keep to.
        weights: By metric, or nothing.
    """

    goals: Sequence[Goal]
    constraints: Sequence[Constraint] = ()
    weights: Mapping[str, float] | None = None

    @classmethod
    def of(cls, select: Mapping[str, Any]) -> "Rule":
        """The rule of a sweep's ``select``, as plain values."""
        several = select.get("metrics") or [select]
        named = [{"metric": each} if isinstance(each, str) else each for each in several]
        goals = []
        for each in named:
            metric = str(each.get("metric") or "accuracy")
            goals.append(Goal(metric, -1 if (each.get("mode") or own_mode(metric)) == "min" else 1))
        constraints = tuple(map(Constraint.parse, select.get("constraints") or ()))
        return cls(tuple(goals), constraints, select.get("weights") or None)

    @property
    def several(self) -> bool:
        """Whether there is more than one aim."""
        return len(self.goals) > 1

    @property
    def decides(self) -> Goal:
        """What the best is best in, once constraints are kept."""
        if self.weights:
            return Goal(SCORE, 1)
        bound = {constraint.metric for constraint in self.constraints}
        return next((goal for goal in self.goals if goal.metric not in bound), self.goals[0])

    def value(self, values: Mapping[str, float | None]) -> float | None:
        """What decides, from values by metric, of one trial; nothing where one of them is missing.

        Weights leave out an aim of weight 0.
        """
        if not self.weights:
            return values.get(self.decides.metric)
        signs = {goal.metric: goal.sign for goal in self.goals}
        parts = [(w * signs[name], values.get(name)) for name, w in self.weights.items() if w]
        known = [weight * value for weight, value in parts if value is not None]
        return math.fsum(known) if len(known) == len(parts) else None

    def margins(self, values: Mapping[str, float | None]) -> tuple[float, ...]:
        """How far one trial keeps to each constraint; NaN where that is not known."""
        found = []
        for constraint in self.constraints:
            value = values.get(constraint.metric)
            found.append(math.nan if value is None else constraint.margin(value))
        return tuple(found)

    def point(self, values: Mapping[str, float | None]) -> tuple[float, ...] | None:
        """The aims of one trial, larger is better; nothing where one is missing or not finite."""
        found = [(goal.sign, values.get(goal.metric)) for goal in self.goals]
        point = tuple(sign * value for sign, value in found if value is not None and math.isfinite(value))
        return point if len(point) == len(found) else None

    @override
    def __str__(self) -> str:
        """The rule in words, such as ``largest pgd-20_0.1_accuracy with accuracy of at least 0.97``."""
        if self.weights:
            signs = {goal.metric: goal.sign for goal in self.goals}
            parts = [f"{signs[name] * weight:+g} · {name}" for name, weight in self.weights.items() if weight]
            best = f"largest {' '.join(parts).removeprefix('+')}".replace(" -", " \N{MINUS SIGN}")
        else:
            best = f"{'largest' if self.decides.sign > 0 else 'smallest'} {self.decides.metric}"
        return " with ".join(filter(None, [best, " and ".join(map(str, self.constraints))]))


def shortfall(margins: Sequence[float]) -> float:
    """By how much a configuration is beyond its constraints; 0 where it keeps to all.

    A mean at the bound keeps to it: what rounding alone puts beyond it is nothing.

    Args:
        margins: Its mean margin for each constraint; what is not known is infinitely far beyond.
    """
    beyond = math.fsum(math.inf if math.isnan(margin) else max(0.0, -margin) for margin in margins)
    return round(beyond, DIGITS)
