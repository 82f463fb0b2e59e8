"""How many seeds would probably decide a comparison, given what the seeds so far show."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from analysis.statistics import ALPHA, POWER, Array

Decides = Callable[[float, Array, Array], Array]
"""Whether samples of ``n`` values decide, by ``n``, their means and their standard errors (broadcast)."""

_CELLS = 80
"""Cells of equal probability into which each of two distributions is cut."""
_FINE = 50
"""Sample sizes are tried one by one up to here, and then in steps of 2 %."""


def seeds_to_decide(
    n: int, mean: float, sd: float, decides: Decides, power: float = POWER, most: int = 10_000
) -> float:
    """Smallest sample size in all at which a comparison is decided with the given conditional power.

    The seeds so far stay, and the further ones are drawn with the mean and the spread that those show
    (Lachin 2005, "A review of methods for futility stopping based on conditional power"). So it is larger
    than `n`, and a comparison that one more seed is not likely to decide gets more than one.

    Args:
        n: Values so far, at least 2.
        mean: Their mean.
        sd: Their standard deviation, with n - 1; positive.
        decides: The rule.
        power: Wanted chance of a decision.
        most: The largest sample to try.

    Returns:
        A whole number; infinity where ``most`` is not enough.

    Examples:
        >>> seeds_to_decide(5, 0.4, 1.0, significant(0.05))
        49.0
    """
    size = n + 1
    while size <= most:
        if _chance(n, mean, sd, size, decides) >= power:
            return float(size)
        size += max(1, size // _FINE)
    return float("inf")


def _chance(n: int, mean: float, sd: float, size: int, decides: Decides) -> float:
    """The chance that a sample which is filled up to ``size`` decides."""
    more = size - n
    middles = (np.arange(_CELLS) + 0.5) / _CELLS
    normal = stats.norm.ppf(middles)[:, None]
    new = stats.chi2.ppf(middles, more - 1) if more > 1 else np.zeros(_CELLS)
    means = mean + np.sqrt(more) / size * sd * normal
    # Squares: those of the seen values, those of the new ones, and those between their two means.
    squares = (n - 1) + new + n / size * normal**2
    errors = sd * np.sqrt(squares / (size - 1) / size)
    return float(np.mean(decides(float(size), *np.broadcast_arrays(means, errors))))


def significant(alpha: float = ALPHA, beyond: float = 0.0) -> Decides:
    """The t test shows a mean that is not 0, and the mean is beyond ±``beyond``."""

    def decides(n: float, mean: Array, error: Array) -> Array:
        critical = stats.t.ppf(1 - alpha / 2, n - 1)
        return np.asarray((np.abs(mean) > critical * error) & (np.abs(mean) > beyond))

    return decides


def within(margin: float, level: float) -> Decides:
    """One-sided bounds of that level, such as 0.05, lie within ±``margin``: never where that is NaN."""

    def decides(n: float, mean: Array, error: Array) -> Array:
        return np.asarray(np.abs(mean) + stats.t.ppf(1 - level, n - 1) * error < margin)

    return decides


def either(one: Decides, other: Decides) -> Decides:
    """One of two rules decides."""
    return lambda n, mean, error: one(n, mean, error) | other(n, mean, error)
