"""Search spaces: what each hyperparameter of a stage may be, enumerated or sampled.

A dimension is written in a sweep file as one of

- a plain value: fixed;
- a list: a choice;
- ``{low: 0.1, high: 1, step: 0.1}``: a range in steps;
- ``{low: 0.01, high: 10, log: true}``: a range, for sampling only;
- ``{subsets_of: [input, conv1.w, fc1.w], up_to: 2}``: a choice among sets of targets.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from dropattack import UsageError, canonical_targets
from search.definition.part import Part

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Scalar = bool | int | float | str


_FINEST = 1_000_000
"""The most steps between 0 and the end of a range that floats can tell apart, despite Optuna's rounding."""

_MOST_VALUES = 10_000
"""The most values of one range in a grid."""


class Interval(Part):
    """All numbers from ``low`` to ``high``, both included, or those of them that steps from ``low`` reach.

    Steps are counted in decimal arithmetic, from the numbers as they are written: the third value of
    ``{low: 0.1, high: 1, step: 0.1}`` is 0.3, and not 0.30000000000000004, which floating-point sums give.

    Attributes:
        low: Smallest number.
        high: Largest number; with ``step`` it must lie on a step.
        log: Whether a sampler draws evenly in the logarithm; needs ``low`` above 0 and no ``step``.
        step: Distance of neighbouring numbers; a grid needs it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"low is {_text(self.low)}, which is not below high, {_text(self.high)}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log range needs low > 0 and no step")
        if not math.isfinite(abs(self.low) + abs(self.high) + (self.step or 0)):
            raise ValueError("its numbers are too large to add; write smaller ones")
        return self

    def check_steps(self) -> None:
        """Checks that floats can tell the steps apart, if there are any, and that one ends at ``high``.

        Raises:
            UsageError: They cannot, or none does; the message names the nearest ``high`` that fits.
        """
        if self.step is None:
            return
        largest = max(abs(self.low), abs(self.high))
        if largest > _FINEST * self.step:
            raise UsageError(
                f"step {_text(self.step)} is too small for numbers as large as {_text(largest)}; "
                "name a larger one, or leave it out"
            )
        high, step = _decimal(self.high), _decimal(self.step)
        below = _decimal(self.low) + self._last * step
        if below != high:
            near = (below, below + step)
            fit = [end for end in near if _decimal(float(end)) == end]
            nearest = min(fit, key=lambda end: abs(end - high), default=None)
            remedy = "give low and step fewer digits" if nearest is None else f"write high: {_text(nearest)}"
            raise UsageError(
                f"steps of {_text(self.step)} from {_text(self.low)} reach {' and '.join(map(_text, near))}, "
                f"not high, {_text(self.high)}; {remedy}"
            )

    @property
    def trimmed(self) -> "Interval":
        """The range up to its last step: earlier versions drew from it when ``high`` is no step."""
        return self if self.step is None else self.model_copy(update={"high": self._at(self._last)})

    @property
    def count(self) -> int:
        """How many values lie on a step; without steps 2, for both ends."""
        return 2 if self.step is None else self._last + 1

    def values(self) -> list[float]:
        """Every value on a step, in order.

        Raises:
            UsageError: The range has no steps, or so many that no grid of them would end.
        """
        if self.step is None:
            raise UsageError(
                "a grid needs a list of values, not a range; write [0.1, 1, 10], or give the range a step"
            )
        if self._last >= _MOST_VALUES:
            raise UsageError(
                f"a grid takes at most {_MOST_VALUES:,} values of a range, and steps of {_text(self.step)} "
                f"give {self._last + 1:,}; name a larger step"
            )
        return [self._at(number) for number in range(self._last + 1)]

    def nearest(self, value: float) -> float:
        """The value on a step that is nearest to a number; the number itself where there are no steps."""
        if self.step is None:
            return value
        number = round((_decimal(value) - _decimal(self.low)) / _decimal(self.step))
        return self._at(min(max(number, 0), self._last))

    def suggest(self, trial: "BaseTrial", name: str, whole: bool) -> float:
        """Draws a number; a whole one if the hyperparameter is an integer.

        On steps, the study keeps Optuna's floating-point sum, as journals of all versions do; the returned
        value is the exact step.
        """
        if whole:
            return trial.suggest_int(
                name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log
            )
        return self.nearest(trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log))

    @property
    def _last(self) -> int:
        """How many steps from ``low`` end at ``high`` or below."""
        return (_decimal(self.high) - _decimal(self.low)) // _decimal(self.step or 1)

    def _at(self, number: int) -> float:
        return float(_decimal(self.low) + number * _decimal(self.step or 1))


def _decimal(value: float) -> Fraction:
    """The exact value of the shortest decimal that prints as this number."""
    return Fraction(repr(float(value)))


def _text(value: float | Fraction) -> str:
    """A number as one writes it: 0.3, and 5 for a whole one."""
    return repr(float(value)).removesuffix(".0")


class Subsets(Part):
    """All sets of at least one and at most ``up_to`` of the given targets.

    Attributes:
        subsets_of: Targets by name, pattern or group.
        up_to: Targets in a set, at most.
    """

    subsets_of: tuple[str, ...] = Field(min_length=1)
    up_to: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.subsets_of:
            if self.subsets_of.count(name) > 1:
                raise ValueError(f"subsets_of names {name} twice")
        return self

    def values(self) -> list[str]:
        """The sets as canonical strings, small ones first."""
        sizes = range(1, min(self.up_to, len(self.subsets_of)) + 1)
        sets = itertools.chain.from_iterable(itertools.combinations(self.subsets_of, n) for n in sizes)
        return [canonical_targets("+".join(chosen)) for chosen in sets]


def _form(raw: Any) -> str:
    """The form in which a dimension is written."""
    if isinstance(raw, Subsets) or (isinstance(raw, dict) and "subsets_of" in raw):
        return "subsets"
    if isinstance(raw, Interval | dict):
        return "range"
    return "choice" if isinstance(raw, list) else "value"


FORMS = ("range", "subsets", "choice", "value")
Dimension = Annotated[
    Annotated[Interval, Tag("range")]
    | Annotated[Subsets, Tag("subsets")]
    | Annotated[list[Scalar], Field(min_length=1), Tag("choice")]
    | Annotated[Scalar, Tag("value")],
    Discriminator(_form),
]
Space = dict[str, Dimension]


def values(dimension: Dimension) -> list[Scalar]:
    """Every value of a dimension.

    Raises:
        UsageError: The dimension is a range without steps, which has no list of values.
    """
    if isinstance(dimension, Interval | Subsets):
        return list(dimension.values())
    return list(dict.fromkeys(dimension)) if isinstance(dimension, list) else [dimension]


def bounds(dimension: Dimension) -> list[Scalar]:
    """Values that decide whether a whole dimension is valid: all of a choice, both ends of a range."""
    return [dimension.low, dimension.high] if isinstance(dimension, Interval) else values(dimension)


def witnesses(dimension: Dimension) -> list[Scalar]:
    """Values that are valid only if all are: of target sets, each target and one of the largest sets."""
    if isinstance(dimension, Subsets):
        largest = dimension.subsets_of[: dimension.up_to]
        return [*map(canonical_targets, dimension.subsets_of), canonical_targets("+".join(largest))]
    return bounds(dimension)


def admits(dimension: Dimension, value: Scalar) -> bool:
    """Whether a value lies in a dimension."""
    if isinstance(dimension, Interval):
        if not isinstance(value, int | float):
            return False
        return dimension.low <= value <= dimension.high and dimension.nearest(value) == value
    return value in values(dimension)


def grid(space: Mapping[str, Dimension]) -> Iterator[dict[str, Scalar]]:
    """Every combination of a space's values, the last name varying fastest."""
    for combination in itertools.product(*(values(dimension) for dimension in space.values())):
        yield dict(zip(space, combination, strict=True))


def combinations(space: Mapping[str, Dimension]) -> Iterator[dict[str, Scalar]]:
    """Every combination of a space's bounds: each choice, and both ends of each range."""
    for combination in itertools.product(*(bounds(dimension) for dimension in space.values())):
        yield dict(zip(space, combination, strict=True))


def sample(
    trial: "BaseTrial", space: Mapping[str, Dimension], prefix: str, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Draws one combination; each free dimension is the Optuna parameter ``prefix + name``.

    Args:
        trial: Where to draw from.
        space: Dimensions by name.
        prefix: Put before names, so that equal names of two methods stay two parameters.
        defaults: Default values by name; a whole number there makes the draw whole, too.
    """
    drawn: dict[str, Any] = {}
    for name, dimension in space.items():
        if isinstance(dimension, Interval):
            drawn[name] = dimension.suggest(trial, prefix + name, isinstance(defaults.get(name), int))
        else:
            choices = values(dimension)
            drawn[name] = (
                choices[0] if len(choices) == 1 else trial.suggest_categorical(prefix + name, choices)
            )
    return drawn
