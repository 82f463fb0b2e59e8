"""Intervals and tests at small n, each on plain arrays, vectorised where reports need thousands of them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8
FEWEST = 3
"""The fewest values for an interval or a test: two say next to nothing about their spread."""
_ROUNDING = 1e-9
Array = NDArray[Any]


@dataclass(frozen=True)
class Estimate:
    """A mean with its t interval.

    Attributes:
        n: How many values.
        mean: Their mean; NaN where n = 0.
        sd: Their standard deviation, with n - 1; NaN where n < 2.
        low: Lower end of the interval; NaN where n < `FEWEST`.
        high: Upper end.
        p: Two-sided p-value of the t test that the mean is 0; NaN where n < `FEWEST`.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p: float


def without_spread(sd: ArrayLike, mean: ArrayLike = 0.0) -> Array:
    """Whether a standard deviation is 0 except for rounding: equal differences may differ in their last bit.

    That is, at most 1e-9, or of means beyond 1 at most 1e-9 of them. Arrays broadcast.
    """
    size = np.maximum(1.0, np.abs(np.asarray(mean, dtype=float)))
    return np.asarray(np.asarray(sd, dtype=float) <= _ROUNDING * size)


def estimate(values: ArrayLike, spent: float = 0) -> Estimate:
    """Student's t interval and test of one sample; missing values are left out.

    Given differences between two trainings of one seed, it is the paired t test.

    Args:
        values: The sample.
        spent: See `t_half_width`.

    Examples:
        >>> round(estimate([1.0, 2.0, 3.0]).high, 3)
        4.484
    """
    sample = np.asarray(values, dtype=float)
    sample = sample[~np.isnan(sample)]
    n = len(sample)
    mean = float(sample.mean()) if n else np.nan
    sd = float(sample.std(ddof=1)) if n > 1 else np.nan
    half = float(t_half_width(n, sd, spent, mean))
    return Estimate(n, mean, sd, mean - half, mean + half, float(t_p_value(n, mean, sd, spent)))


def t_half_width(n: ArrayLike, sd: ArrayLike, spent: ArrayLike = 0, mean: ArrayLike = 0.0) -> Array:
    """Half the width of the 95 % t interval of a mean. Arrays broadcast.

    Args:
        n: How many values.
        sd: Their standard deviation.
        spent: Degrees of freedom that were spent on choosing what is measured, beside the one on the mean;
            infinite where the values chose themselves, so that nothing can be said of their mean.
        mean: Their mean.

    Returns:
        NaN where n < `FEWEST` or no degree of freedom is left; without any spread (`without_spread`) 0 for a
        mean of 0, and NaN for another: equal gains do not show that there is no spread, and an interval of no
        width would say so.
    """
    n, sd, mean = (np.asarray(a, dtype=float) for a in (n, sd, mean))
    freedom = n - 1 - np.asarray(spent, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * sd / np.sqrt(n)
    width = np.where(without_spread(sd, mean), _no_spread(mean, 0.0), width)
    return np.where((freedom > 0) & (n >= FEWEST), width, np.nan)


def _no_spread(mean: Array, known: float) -> Array:
    """The result without any spread: ``known`` for a mean of 0, NaN for another."""
    return np.where(np.abs(mean) <= _ROUNDING, known, np.nan)


def t_p_value(n: ArrayLike, mean: ArrayLike, sd: ArrayLike, spent: ArrayLike = 0) -> Array:
    """Two-sided p-value of the t test that a mean is 0; see `t_half_width`. Arrays broadcast.

    Values without any spread (`without_spread`) show nothing about spread: a mean of 0 gives 1, another gives
    NaN.
    """
    n, mean, sd = (np.asarray(a, dtype=float) for a in (n, mean, sd))
    freedom = n - 1 - np.asarray(spent, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stats.t.sf(np.abs(mean) / (sd / np.sqrt(n)), freedom)
    p = np.where(without_spread(sd, mean), _no_spread(mean, 1.0), p)
    return np.where((freedom > 0) & (n >= FEWEST), p, np.nan)


def equivalence_p(found: Estimate, margin: float) -> float:
    """p-value of two one-sided t tests that a mean lies within ±``margin`` (TOST, Schuirmann 1987).

    Args:
        found: The mean of a sample.
        margin: Means up to this do not matter; positive, in the sample's unit.

    Returns:
        The larger of the two p-values; small where the mean is shown to lie within. NaN where n < `FEWEST`
        or there is no spread.

    Examples:
        >>> round(equivalence_p(estimate([-0.1, 0.0, 0.1]), 0.3), 4)
        0.0175
    """
    if found.n < FEWEST or not margin > 0 or without_spread(found.sd, found.mean):
        return math.nan
    error = found.sd / math.sqrt(found.n)
    return float(stats.t.sf((margin - abs(found.mean)) / error, found.n - 1))


def holm(p_values: ArrayLike) -> Array:
    """Holm's adjusted p-values: below α they bound the chance of any false claim by α.

    Missing values stay missing and are not counted as tests.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    present = np.flatnonzero(~np.isnan(p))
    order = present[np.argsort(p[present], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def seeds_needed(
    mean: float, sd: float, alpha: float = ALPHA, power: float = POWER, most: int = 10_000
) -> float:
    """Smallest n at which a paired t test would find a true gain of ``mean`` with the given power.

    Args:
        mean: Gain to be found.
        sd: Standard deviation of paired differences.
        alpha: Two-sided level of the test.
        power: Wanted chance of finding it.
        most: The largest n to try.

    Returns:
        A whole number of seeds, at least 2; infinity where ``most`` is not enough; NaN where ``sd`` is
        missing.
    """
    if np.isnan(mean) or np.isnan(sd):
        return float("nan")
    if mean == 0 or (abs(mean) <= _ROUNDING and without_spread(sd)):
        return float("inf")
    if without_spread(sd, mean):
        return 2.0

    def shortfall(n: float) -> float:
        critical = stats.t.ppf(1 - alpha / 2, n - 1)
        noncentrality = abs(mean) / sd * np.sqrt(n)
        found = stats.nct.sf(critical, n - 1, noncentrality)
        return float(found if not np.isnan(found) else 1.0) - power

    if shortfall(2) >= 0:
        return 2.0
    if shortfall(most) < 0:
        return float("inf")
    return float(np.ceil(optimize.brentq(shortfall, 2, most, xtol=1e-3) - 1e-2))


@dataclass(frozen=True)
class Friedman:
    """Friedman's test over blocks, and Nemenyi's critical difference.

    Attributes:
        blocks: How many blocks (workloads) had every treatment.
        ranks: Mean rank of each treatment, 1 the best.
        p: p-value that all treatments are alike.
        critical_difference: Mean ranks nearer than this do not differ significantly.
    """

    blocks: int
    ranks: tuple[float, ...]
    p: float
    critical_difference: float


def friedman(scores: ArrayLike, alpha: float = ALPHA) -> Friedman:
    """Compares treatments across blocks by rank (Demšar 2006).

    Args:
        scores: ``[blocks, treatments]``, larger is better, at least 2 blocks and 3 treatments, none missing.
        alpha: Level of the critical difference.
    """
    table = _with_ties(scores)
    blocks, treatments = table.shape
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    p = float(stats.friedmanchisquare(*table.T).pvalue)
    q = stats.studentized_range.ppf(1 - alpha, treatments, np.inf) / np.sqrt(2)
    difference = float(q * np.sqrt(treatments * (treatments + 1) / (6 * blocks)))
    return Friedman(blocks, tuple(float(r) for r in ranks), p, difference)


def _with_ties(values: ArrayLike) -> Array:
    """Values of which those that differ by rounding alone are equal, so that their ranks are."""
    values = np.asarray(values, dtype=float)
    size = max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))
    return np.asarray(np.round(values / size / _ROUNDING) * _ROUNDING * size)


def rank_correlation(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Spearman's rho and its exact permutation p-value up to 8 values, by the t approximation above.

    Returns:
        ``(rho, p)``, NaN where fewer than 3 pairs are present or one side is constant.
    """
    pairs = np.stack([_with_ties(x), _with_ties(y)])
    a, b = pairs[:, ~np.isnan(pairs).any(axis=0)]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan"), float("nan")
    result = stats.spearmanr(a, b)
    if len(a) > 8:
        return float(result.statistic), float(result.pvalue)
    exact = stats.permutation_test(
        (a,),
        lambda permuted: stats.spearmanr(permuted, b).statistic,
        permutation_type="pairings",
        n_resamples=math.factorial(len(a)),
    )
    return float(result.statistic), float(exact.pvalue)
