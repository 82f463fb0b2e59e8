"""Several aims, and the rule by which one configuration is best: for reports, the console and the search."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from trainables.recipe.measured import SMALLER_IS_BETTER

PASSES = "passes"
"""The aim that is a cost: a whole training's forward-backward passes over the training split."""
DIGITS = 12
"""Decimals to which means are compared: any difference beyond them is rounding."""
SCORE = "score"
"""The name of the weighted sum by which weights decide; each aim is turned so that larger is better."""

_COMPARISON = re.compile(r"\s*(\S+)\s*([<>]=)\s*([^\s<>=]+)\s*")
_WORDS = {">=": "at least", "<=": "at most"}


def own_mode(metric: str) -> str:
    """A shipped metric's better direction, ``max`` or ``min``; ``max`` for other metrics."""
    return "min" if metric in (*SMALLER_IS_BETTER, PASSES) else "max"


@dataclass(frozen=True)
class Goal:
    """A metric of the validation split, or `PASSES`, and its better direction.

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
        metric: Name of the metric.
        relation: ``>=`` or ``<=``.
        bound: The last allowed value.
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
        """1 if larger values keep to it, -1 if smaller ones do."""
        return 1 if self.relation == ">=" else -1

    def margin(self, value: float) -> float:
        """A value's margin to the bound, as a share of the bound; below 0 if the value violates it."""
        return self.sign * (value - self.bound) / (abs(self.bound) or 1.0)

    @override
    def __str__(self) -> str:
        return f"{self.metric} of {_WORDS[self.relation]} {self.bound:g}"


@dataclass(frozen=True)
class Rule:
    """A sweep's aims, and the rule for its best configuration.

    Constraints come first: the rule considers configurations whose means keep to all of them or, if there are
    none, those that violate them least. Of these the best has the largest weighted sum of the aims. Without
    weights it is best in the first aim without a constraint or, if all aims have one, in the first aim.

    Attributes:
        goals: The aims; a single one if a sweep selects by one metric.
        constraints: The constraints on the best configuration.
        weights: Weights by metric, or nothing.
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
        """The aim that decides among configurations that keep to the constraints."""
        if self.weights:
            return Goal(SCORE, 1)
        bound = {constraint.metric for constraint in self.constraints}
        return next((goal for goal in self.goals if goal.metric not in bound), self.goals[0])

    def value(self, values: Mapping[str, float | None]) -> float | None:
        """The deciding value of one trial, from its values by metric; ``None`` if one is missing.

        Weights leave out an aim of weight 0.
        """
        if not self.weights:
            return values.get(self.decides.metric)
        signs = {goal.metric: goal.sign for goal in self.goals}
        parts = [(w * signs[name], values.get(name)) for name, w in self.weights.items() if w]
        known = [weight * value for weight, value in parts if value is not None]
        return math.fsum(known) if len(known) == len(parts) else None

    def margins(self, values: Mapping[str, float | None]) -> tuple[float, ...]:
        """One trial's margin to each constraint; NaN if it is unknown."""
        found = []
        for constraint in self.constraints:
            value = values.get(constraint.metric)
            found.append(math.nan if value is None else constraint.margin(value))
        return tuple(found)

    def point(self, values: Mapping[str, float | None]) -> tuple[float, ...] | None:
        """The values of one trial's aims, larger is better; ``None`` if one is missing or not finite."""
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
    """By how much a configuration violates its constraints; 0 if it keeps to all.

    A mean at the bound keeps to it, also if rounding alone puts it beyond.

    Args:
        margins: Its mean margin for each constraint; an unknown one counts as infinitely far beyond.
    """
    beyond = math.fsum(math.inf if math.isnan(margin) else max(0.0, -margin) for margin in margins)
    return round(beyond, DIGITS)
