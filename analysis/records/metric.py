"""A column of results, and how people read it."""

import math
import re
from dataclasses import dataclass, field

_UNIT = (0.0, 1.0)
_BOUNDS = {"mcc": (-1.0, 1.0), "r2": (-math.inf, 1.0)} | dict.fromkeys(("rmse", "mae"), (0.0, math.inf))
"""The bounds of shipped metrics, by the end of their names; shares are in [0, 1]."""
_FRACTIONS = ("accuracy", "f1", "recall", "precision", "auroc", "exact_match", "calibration_error")

_DECIMALS, _MOST_DECIMALS = 4, 8


@dataclass(frozen=True)
class Metric:
    """A column of results and how people read it.

    Attributes:
        column: Name in the tables, such as ``test_accuracy``.
        larger_is_better: Whether larger values are better.
        typical: The size of a usual value, by which decimals are chosen; NaN where that is not known.
    """

    column: str
    larger_is_better: bool = True
    typical: float = field(default=math.nan, compare=False)

    @property
    def is_fraction(self) -> bool:
        """Whether values lie in [0, 1] and are shown in per cent, differences in points."""
        return any(word in self.column for word in _FRACTIONS)

    @property
    def is_cost(self) -> bool:
        """Whether values are passes over the training split."""
        return self.column.endswith("_passes")

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest possible value; infinite if unknown."""
        last = self.column.rpartition("_")[2]
        return _UNIT if self.is_fraction else _BOUNDS.get(last, (-math.inf, math.inf))

    @property
    def gain_bounds(self) -> tuple[float, float]:
        """The least and the most that a gain can be: values apart by all that `bounds` allow."""
        low, high = self.bounds
        return low - high, high - low

    @property
    def scale(self) -> float:
        """The factor between a value and what is shown."""
        return 100.0 if self.is_fraction else 1.0

    @property
    def decimals(self) -> int:
        """Decimals of what is shown; without a unit, five digits of a usual value, four below 1."""
        if self.is_fraction:
            return 2
        if self.is_cost:
            return 1
        if not 0 < self.typical < math.inf:
            return _DECIMALS
        size = math.floor(math.log10(self.typical))
        return max(0, _DECIMALS - size) if size >= 0 else min(_MOST_DECIMALS, _DECIMALS - 1 - size)

    @property
    def sign(self) -> int:
        """1 if larger is better, -1 if smaller is."""
        return 1 if self.larger_is_better else -1

    @property
    def name(self) -> str:
        """Name for people, such as ``test accuracy``."""
        if self.is_cost:
            return "passes in all"
        words = self.column.replace("_", " ")
        words = "validation" + words[5:] if words.startswith("valid ") else words
        return re.sub(r"\b(f1|auroc|rmse|mae|mcc|r2)\b", lambda found: found[0].upper(), words)

    @property
    def label(self) -> str:
        """Name with unit, as an axis shows it."""
        return f"{self.name} (%)" if self.is_fraction else self.name

    @property
    def gain_label(self) -> str:
        """Name of a gain over the baseline with its unit; positive is better."""
        of = f"gain in {self.name}{' (points)' if self.is_fraction else ''}"
        return of if self.larger_is_better else f"{of}; lower is better, so a fall counts"
