"""How many seeds would decide, against the rules of answers and contests on simulated seeds."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.conditional_power import Decides, either, seeds_to_decide, significant, within
from analysis.questions.answers import Effect, Outcome, Scale, answer
from analysis.questions.contest import judged, needed
from analysis.statistics import equivalence_p, estimate

MARGIN = 0.2
Values = NDArray[np.float64]


def seen(n: int, mean: float, sd: float) -> Values:
    """Values with exactly this mean and standard deviation."""
    values = np.random.default_rng(n).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def filled_up(values: Values, size: int, repeats: int) -> Values:
    """Samples of so many values that begin with those seen and go on as they look, ``[repeats, size]``."""
    rng = np.random.default_rng(size)
    more = rng.normal(values.mean(), values.std(ddof=1), (repeats, size - len(values)))
    return np.concatenate([np.tile(values, (repeats, 1)), more], axis=1)


def in_contest(sample: Values) -> bool:
    found = estimate(sample)
    effect = Effect(found.n, found.mean, found.low, found.high, found.sd, found.p, tuple(sample))
    return judged(effect, equivalence_p(found, MARGIN), MARGIN) is not Outcome.UNDECIDED


def in_verdict(sample: Values) -> bool:
    found = estimate(sample)
    effect = Effect(found.n, found.mean, found.low, found.high, found.sd, found.p, tuple(sample))
    return answer(effect, Scale(MARGIN)).decided


CONTEST = either(significant(0.05, MARGIN), within(MARGIN, 0.05))
VERDICT = either(significant(), within(MARGIN, 0.025))


@pytest.mark.parametrize(
    ("n", "mean", "sd"),
    [(5, 0.5, 1.0), (3, 1.2, 1.0), (8, 0.02, 0.6), (5, -0.35, 0.8), (4, 0.0, 0.3), (12, -0.1, 0.4)],
)
@pytest.mark.parametrize(("rule", "decides"), [(CONTEST, in_contest), (VERDICT, in_verdict)])
def test_four_of_five_samples_decide(
    n: int, mean: float, sd: float, rule: Decides, decides: Callable[[Values], bool]
) -> None:
    size = seeds_to_decide(n, mean, sd, rule)
    assert n < size < 500
    shares = []
    for one in (int(size), max(n + 1, int(0.8 * size))):
        shares.append(np.mean([decides(sample) for sample in filled_up(seen(n, mean, sd), one, 250)]))
    assert shares[0] > 0.72, "four of five, as far as 250 samples tell"
    assert shares[1] < 0.85 or size == n + 1, "clearly fewer seeds decide less often"


def test_a_difference_inside_the_margin_is_decided_by_equivalence() -> None:
    """It was counted until the t test shows it, which decides nothing, again and again one seed later."""
    found = estimate(seen(8, -18.48, 6.0))
    effect = Effect(found.n, found.mean, found.low, found.high, found.sd, found.p)
    count = needed(effect, 20.0, 1, 20.0)
    samples = filled_up(seen(8, -18.48, 6.0), int(count), 4000)
    upper = stats.ttest_1samp(samples, 20.0, axis=1, alternative="less").pvalue
    lower = stats.ttest_1samp(samples, -20.0, axis=1, alternative="greater").pvalue
    assert count > 50
    assert np.mean(np.maximum(lower, upper) < 0.05) == pytest.approx(0.8, abs=0.04)


def test_a_stricter_correction_takes_more_seeds() -> None:
    effect = Effect(10, 0.3, -0.1, 0.7, 0.6, 0.15)
    counts = [needed(effect, 0.001, tests) for tests in (1, 2, 4)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2]


def test_no_number_decides_what_lies_on_the_margin() -> None:
    assert seeds_to_decide(5, MARGIN, 1.0, CONTEST) == np.inf
    assert seeds_to_decide(5, 1e-6, 1.0, significant()) == np.inf
    assert within(float("nan"), 0.05)(5, np.zeros(1), np.zeros(1)).tolist() == [False]
