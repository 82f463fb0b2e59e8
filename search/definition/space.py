"""Search spaces: what each hyperparameter of a stage may be, enumerated or sampled.

A dimension is written in a sweep file as one of

- a plain value: fixed;
- a list: a choice;
- ``{low: 0.01, high: 10, log: true}``: a range, for sampling only;
- ``{subsets_of: [input, conv1.w, fc1.w], up_to: 2}``: a choice among sets of targets.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

import optuna
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from dropattack import UsageError, canonical_targets

Scalar = bool | int | float | str


class Interval(BaseModel):
    """All numbers from ``low`` to ``high``, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"low is {self.low:g}, which is not below high, {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log range needs low > 0 and no step")
        return self

    def suggest(self, trial: optuna.trial.BaseTrial, name: str, whole: bool) -> float:
        """Draws a number; a whole one where the hyperparameter is an integer."""
        if whole:
            return trial.suggest_int(
                name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log
            )
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


class Subsets(BaseModel):
    """All sets of at least one and at most ``up_to`` of the given targets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subsets_of: tuple[str, ...] = Field(min_length=1)
    up_to: int = Field(default=2, ge=1)

    def values(self) -> list[str]:
        """The sets as canonical strings, small ones first."""
        sizes = range(1, min(self.up_to, len(self.subsets_of)) + 1)
        sets = itertools.chain.from_iterable(itertools.combinations(self.subsets_of, n) for n in sizes)
        return [canonical_targets("+".join(chosen)) for chosen in sets]


def _form(raw: Any) -> str:
    """Which of the four forms a dimension is written in."""
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
        UsageError: The dimension is a range, which has no list of values.
    """
    if isinstance(dimension, Interval):
        raise UsageError("a grid needs a list of values, not a range; write [0.1, 1, 10]")
    if isinstance(dimension, Subsets):
        return list(dimension.values())
    return list(dict.fromkeys(dimension)) if isinstance(dimension, list) else [dimension]


def bounds(dimension: Dimension) -> list[Scalar]:
    """Values that show whether a whole dimension is valid: all of a choice, both ends of a range."""
    return [dimension.low, dimension.high] if isinstance(dimension, Interval) else values(dimension)


def admits(dimension: Dimension, value: Scalar) -> bool:
    """Whether a value lies in a dimension."""
    if isinstance(dimension, Interval):
        return isinstance(value, int | float) and dimension.low <= value <= dimension.high
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
    trial: optuna.trial.BaseTrial, space: Mapping[str, Dimension], prefix: str, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Draws one combination; each free dimension is the Optuna parameter ``prefix + name``.

    Args:
        trial: Where to draw from.
        space: Dimensions by name.
        prefix: Put before names, so that equal names of two methods stay two parameters.
        defaults: Default values by name; where one is a whole number, so is what is drawn.
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
