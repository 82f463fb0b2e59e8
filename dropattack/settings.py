"""Hyperparameters as frozen dataclasses whose fields carry their range and meaning."""

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from typing_extensions import override

from dropattack.errors import UsageError, unknown

EPS_ZERO, EQUAL_PASSES, SAME_UPDATES = "eps-zero", "equal-passes", "same-updates"
"""Controls that any method may have: perturbations of zero, and as many passes without attack, with more
updates or with as many."""


@dataclass(frozen=True)
class Range:
    """What a hyperparameter may be.

    Attributes:
        low: Smallest value allowed, inclusive; ``None`` for no bound.
        high: Largest value allowed, inclusive; ``None`` for no bound.
        choices: The only values allowed, for a hyperparameter that is a word.
        doc: One line for people: meaning, unit and source.
    """

    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None
    doc: str = ""

    @override
    def __str__(self) -> str:
        if self.choices is not None:
            return " | ".join(self.choices)
        if self.low is None and self.high is None:
            return "any"
        if self.high is None:
            return f"≥ {self.low:g}"
        if self.low is None:
            return f"≤ {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    frozen: Any = None,
) -> Any:
    """Declares one hyperparameter: a dataclass field with its `Range`.

    Args:
        default: Value where none is set; its type is the hyperparameter's.
        doc: See `Range`.
        low: See `Range`.
        high: See `Range`.
        choices: See `Range`.
        frozen: Value that a trial's key leaves out: the behaviour from before this setting existed. Without
            it, the default is left out. Where a default changes, it must stay the old one.

    Examples:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Mine(Settings):
        ...     epsilon: float = setting(0.1, "Size of the perturbation.", low=0)
        >>> Mine(epsilon=-1)
        Traceback (most recent call last):
        dropattack.errors.UsageError: epsilon must be ≥ 0, not -1
    """
    frozen = default if frozen is None else frozen
    return dataclasses.field(
        default=default, metadata={"range": Range(low, high, choices, doc), "frozen": frozen}
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of every method's hyperparameters; checks each field against its declared range.

    Attributes:
        presets: Named sets of values; ``preset: name`` among a method's hyperparameters stands for them.

    Raises:
        UsageError: A value is of the wrong type, not finite, or outside its range.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            checked = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, checked)

    @property
    def passes(self) -> int:
        """Forward-backward passes of a step that attacks; 1 where there is nothing to attack."""
        return 1

    def passes_at(self, until: float) -> float:
        """Forward-backward passes that a batch costs on average in an epoch; 1 for a plain pass.

        This and `rounds_at` change at most once in a training.

        Args:
            until: Share of the training that is done at the end of that epoch, in (0, 1].
        """
        return self.passes * self.rounds_at(until)

    def rounds_at(self, until: float) -> float:
        """How often an epoch goes through the training data; 1 except for controls of equal passes.

        Args:
            until: See `passes_at`.
        """
        return 1.0

    def attacks_at(self, until: float, step: int) -> bool:
        """Whether a step is the method's own, and not a plain one.

        Args:
            until: See `passes_at`.
            step: Number of steps before it in the whole training.
        """
        return True

    @property
    def repeats_dropout(self) -> bool:
        """Whether all passes of a step share the first one's dropout masks."""
        return False

    @property
    def adds_gradients(self) -> bool:
        """Whether a step descends along a sum of several passes' gradients, longer than that of one pass."""
        return False

    @property
    def remark(self) -> str:
        """What a reader of the results must know about these values; mostly empty."""
        return ""

    @property
    def control_experiment(self) -> str:
        """The control that these values make of the method, such as ``eps-zero`` for ε = 0; "" for none."""
        return EPS_ZERO if getattr(self, "epsilon", None) == 0 else ""

    @property
    def target_sets(self) -> dict[str, str]:
        """The hyperparameters that name targets of the model, with their values."""
        return {}

    @property
    def needs_pixels(self) -> bool:
        """Whether these values apply to images alone, and not to the vectors of words."""
        return False

    @property
    def pixel_change(self) -> float:
        """The radius of the L∞ ball that these values keep pixels in; 0 where they have none."""
        return 0.0

    def check_pixels(self) -> None:
        """Refuses a ball that is wider than the range [0, 1] that these values keep pixels in.

        Raises:
            UsageError: It is wider, as with an epsilon of 8 where 8/255 is meant.
        """
        if self.needs_pixels and self.pixel_change > 1:
            wide = self.pixel_change
            raise UsageError(
                f"epsilon {wide:g} exceeds 1, the whole range of pixels that clamp keeps; "
                f"for {wide:g} of 255 set {wide / 255:.3g}"
            )

    @property
    def needs_distribution(self) -> bool:
        """Whether the method compares distributions over classes, which a regression lacks."""
        return False

    @classmethod
    def ranges(cls) -> dict[str, Range]:
        """The declared range of every hyperparameter, by name; a method's own before those that it shares."""
        own: dict[str, int] = {}
        for depth, base in enumerate(cls.__mro__):
            own = dict.fromkeys(inspect.get_annotations(base), depth) | own
        fields = sorted(dataclasses.fields(cls), key=lambda field: own[field.name])
        return {field.name: field.metadata["range"] for field in fields}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Builds settings from plain values; other values override those of a ``preset``.

        Raises:
            UsageError: A name is not a hyperparameter of this method, or a value is out of range.
        """
        chosen = dict(values)
        if cls.presets and "preset" in chosen:
            preset = chosen.pop("preset")
            if not isinstance(preset, str) or preset not in cls.presets:
                raise unknown("preset", str(preset), cls.presets)
            chosen = {**cls.presets[preset], **chosen}
        valid = cls.ranges()
        for name in chosen:
            if name not in valid:
                raise unknown("hyperparameter", name, valid)
        return cls(**chosen)

    def to_dict(self) -> dict[str, Any]:
        """The plain values, complete."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def stated(self) -> dict[str, Any]:
        """The plain values that differ from their frozen defaults; a trial's key consists of these.

        A new setting changes no key if its frozen default is the behaviour from before.
        """
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.metadata["frozen"]
        }

    def without(self, *idle: str) -> Self:
        """These settings with the named ones, which have no effect beside the others, at their defaults."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: defaults[name] for name in idle})


def decimal_product(one: float, other: float) -> float:
    """A product as people write it, to 15 digits.

    Examples:
        >>> 0.1 * 3, decimal_product(0.1, 3)
        (0.30000000000000004, 0.3)
    """
    return float(f"{one * other:.15g}")


def _checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """Returns ``value`` in the type of the field's default, or raises a `UsageError`."""
    allowed: Range = field.metadata["range"]
    name = field.name
    kind: type = type(field.default)
    if allowed.choices is not None:
        if value not in allowed.choices:
            raise unknown(f"value of {name}", str(value), allowed.choices)
        return value
    if kind is str:
        if not isinstance(value, str):
            raise UsageError(f"{name} must be text, not {value!r}")
        return value
    if kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{name} must be true or false, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} must be a number, not {value!r}")
    if not abs(value) <= sys.float_info.max:
        raise UsageError(f"{name} must be finite, not {value!r}")
    if kind is int and value != int(value):
        raise UsageError(f"{name} must be a whole number, not {value!r}")
    below = allowed.low is not None and value < allowed.low
    above = allowed.high is not None and value > allowed.high
    if below or above:
        raise UsageError(f"{name} must be {allowed}, not {value!r}")
    return int(value) if kind is int else float(value)
