"""Whether a measured mean fits a published number: one printed interval decides."""

import math

from scipy import stats

from analysis.statistics import CONFIDENCE, FEWEST, Estimate, without_spread

AGREES, DIFFERS, UNDECIDED, WITHHELD = "agrees", "differs", "undecided", "withheld"


def half_width(
    ours: Estimate, runs: float = 1, spent: float = 0, theirs: float | None = None, test_error: float = 0.0
) -> float:
    """Half the 95 % interval of the difference between our mean and a published one.

    Two sources of error add up: the seeds, by Student's t with the remaining degrees of freedom, and the test
    examples of each side, by their number.

    Args:
        ours: The measured results.
        runs: Seeds behind the published number; 1 where that is not stated.
        spent: See `analysis.statistics.t_half_width`.
        theirs: Standard deviation of the published number's seeds; as ours where it is ``None``.
        test_error: Variance of the difference that stems from the draw of the test examples.

    Returns:
        In the unit of ``ours``; NaN where there are too few seeds, or no spread among them to judge by.
    """
    freedom = ours.n - 1 - spent
    if ours.n < FEWEST or not freedom > 0 or without_spread(ours.sd, ours.mean):
        return math.nan
    share = (1 + CONFIDENCE) / 2
    variance = ours.sd**2 / ours.n + (ours.sd if theirs is None else theirs) ** 2 / max(runs, 1)
    seeds = stats.t.ppf(share, freedom) * math.sqrt(variance)
    return float(math.hypot(seeds, stats.norm.ppf(share) * math.sqrt(test_error)))


def verdict(mean: float, half: float, paper: float, alternative: float) -> str:
    """Whether a measured mean fits a published number.

    It *differs* if the published number lies outside ``mean`` ± ``half``. It *agrees* if that lies inside and
    ``alternative`` outside. If both lie inside, the data cannot tell them apart and it is *undecided*, as it
    is without an interval.

    Args:
        mean: The measured mean.
        half: `half_width`.
        paper: The published number, in the same unit.
        alternative: What it must be told from: the paper's baseline for an attack, its best result for a
            baseline, 0 for a gain; NaN where there is none.
    """
    if math.isnan(half):
        return UNDECIDED
    if abs(mean - paper) > half:
        return DIFFERS
    return UNDECIDED if abs(mean - alternative) <= half else AGREES


def variance_of_accuracy(accuracy: float, examples: float) -> float:
    """Variance of an accuracy over draws of so many test examples: a(1 − a)/n."""
    return max(accuracy * (1 - accuracy), 0.0) / examples


def variance_of_f1(f1: float, accuracy: float, examples: float) -> float:
    """Variance of a binary F1 over draws of the test examples, to first order.

    With t the share of true positives and e that of errors, F1 = 2t/(2t + e), and (t, e) are shares of a
    multinomial draw, so that the variance is 4te(t + e) / ((2t + e)⁴ n).

    Examples:
        >>> round(variance_of_f1(0.8, 0.85, 1000) ** 0.5, 4)
        0.016
    """
    errors = 1 - accuracy
    if errors <= 0 or f1 >= 1:
        return 0.0
    hits = f1 * errors / (2 * (1 - f1))
    return 4 * hits * errors * (hits + errors) / ((2 * hits + errors) ** 4 * examples)
