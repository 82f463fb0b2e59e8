"""Statistics against scipy, statsmodels and autorank, and by simulation."""

import numpy as np
import pandas as pd
import pytest
from autorank import autorank
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from analysis import statistics as st


def test_estimate_equals_scipy() -> None:
    sample = np.random.default_rng(0).normal(0.3, 1, 7)
    ours = st.estimate(sample)
    oracle = stats.ttest_1samp(sample, 0)
    interval = oracle.confidence_interval(0.95)
    assert (ours.n, ours.p) == (7, pytest.approx(oracle.pvalue))
    assert (ours.low, ours.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_estimate_of_paired_differences_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, (2, 10))
    assert st.estimate(a - b).p == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_estimate_without_spread_or_values() -> None:
    assert np.isnan(st.estimate([]).mean)
    assert st.estimate([np.nan, 2.0]).n == 1
    assert np.isnan(st.estimate([2.0]).low)
    assert st.estimate([0.0, 0.0, 0.0]).p == 1.0
    assert np.isnan(st.estimate([1.0, 1.0, 1.0]).p)


@pytest.mark.parametrize("values", [[1.0, 1.001], [0.0, 0.0], [2.0, 2.0]])
def test_two_values_have_neither_an_interval_nor_a_test(values: list[float]) -> None:
    found = st.estimate(values)
    assert found.n == 2
    assert found.mean == pytest.approx(np.mean(values))
    assert np.isnan([found.low, found.high, found.p]).all()
    assert not np.isnan(st.estimate([*values, 3.0]).low)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_t_interval_covers_95_percent(n: int) -> None:
    samples = np.random.default_rng(n).normal(0.7, 2, (20_000, n))
    half = st.t_half_width(n, samples.std(axis=1, ddof=1))
    covered = np.abs(samples.mean(axis=1) - 0.7) <= half
    assert 0.945 < covered.mean() < 0.955


@pytest.mark.parametrize("n", [5, 10, 20])
def test_paired_t_interval_covers_binomial_differences(n: int) -> None:
    """Differences of two accuracies on 300 test images, as trained models give them: discrete and paired."""
    rng = np.random.default_rng(n)
    luck = rng.normal(0, 0.01, (10_000, n))
    ours, baseline = (rng.binomial(300, np.clip(p + luck, 0, 1)) / 300 for p in (0.95, 0.93))
    gains = ours - baseline
    covered = np.abs(gains.mean(axis=1) - 0.02) <= st.t_half_width(n, gains.std(axis=1, ddof=1))
    assert 0.93 < covered.mean() < 0.97


def test_degrees_of_freedom_that_were_spent_widen_the_interval() -> None:
    """By table: t of 3 degrees of freedom is 3.182, of 4 it is 2.776."""
    assert st.t_half_width(5, 1.0, spent=1) / st.t_half_width(5, 1.0) == pytest.approx(
        3.182 / 2.776, rel=1e-3
    )
    assert np.isnan(st.t_half_width(2, 1.0, spent=1))
    assert st.estimate([1.0, 2.0, 3.0, 4.0, 6.0], spent=1).p > st.estimate([1.0, 2.0, 3.0, 4.0, 6.0]).p


def test_percentile_bootstrap_would_not_cover_at_five_seeds() -> None:
    """Why intervals here are Student's t."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 1, (2000, 5))
    means = samples[:, rng.integers(0, 5, (500, 5))].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert ((low <= 0) & (high >= 0)).mean() < 0.88


def test_holm_equals_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(0, 0.1, 30)
    assert st.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_leaves_missing_tests_out() -> None:
    assert st.holm([0.02, np.nan, 0.03]).tolist() == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
    assert st.holm([]).tolist() == []


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_seeds_needed_equals_statsmodels(effect: float) -> None:
    oracle = TTestPower().solve_power(effect_size=effect, power=0.8, alpha=0.05)
    assert st.seeds_needed(effect, 1.0) == np.ceil(oracle)


def test_seeds_needed_at_the_edges() -> None:
    assert st.seeds_needed(0.0, 1.0) == np.inf
    assert st.seeds_needed(1.0, 0.0) == 2
    assert np.isnan(st.seeds_needed(1.0, np.nan))
    assert st.seeds_needed(1e-6, 1.0) == np.inf


def test_friedman_equals_scipy_and_autorank() -> None:
    scores = np.random.default_rng(0).normal([0.0, 0.5, 1.0, 1.5], size=(12, 4))
    ours = st.friedman(scores)
    oracle = autorank(pd.DataFrame(scores), order="descending", force_mode="nonparametric")
    assert ours.p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)
    assert ours.critical_difference == pytest.approx(oracle.cd, rel=1e-3)
    assert ours.ranks == pytest.approx(oracle.rankdf["meanrank"].sort_index().tolist())
    assert int(np.argmin(ours.ranks)) == 3


def test_rank_correlation_is_exact_for_few_values() -> None:
    """Of the 4! orders one alone is as perfectly falling and one as perfectly rising: p = 2/24."""
    rho, p = st.rank_correlation([0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0])
    assert (rho, p) == (pytest.approx(-1), pytest.approx(2 / 24))


def test_rank_correlation_of_many_values_equals_scipy() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    oracle = stats.spearmanr(x, y)
    assert st.rank_correlation(x, y) == (pytest.approx(oracle.statistic), pytest.approx(oracle.pvalue))


def test_rank_correlation_needs_three_different_values() -> None:
    assert all(np.isnan(v) for v in st.rank_correlation([1, 2], [1, 2]))
    assert all(np.isnan(v) for v in st.rank_correlation([1, 1, 1], [1, 2, 3]))


def test_equal_gains_that_differ_in_the_last_bit_have_no_spread() -> None:
    """Two of 300 images more in each of three seeds: in binary the three differences are not equal."""
    gains = [(a + 2) / 300 - a / 300 for a in (271, 263, 255)]
    assert len(set(gains)) > 1
    assert stats.ttest_1samp(gains, 0).pvalue < 1e-20, "what must not be called significant"
    ours = st.estimate(gains)
    assert np.isnan(ours.p)
    assert np.isnan([ours.low, ours.high]).all(), "an interval of no width would claim to know"
    zeros = [0.1 + 0.2 - 0.3, 0.0, 0.0]
    assert st.estimate(zeros).p == 1.0
    assert st.estimate(zeros).low == st.estimate(zeros).high == pytest.approx(0)
    assert st.seeds_needed(np.mean(zeros), np.std(zeros, ddof=1)) == np.inf


def test_a_small_spread_is_a_spread() -> None:
    sample = [0.001, 0.001001, 0.000999, 0.001]
    assert st.estimate(sample).p == pytest.approx(stats.ttest_1samp(sample, 0).pvalue)


def test_ties_but_for_rounding_are_ties_of_ranks() -> None:
    tie = 0.1 + 0.2
    assert st.rank_correlation([0, 1, 2, 3], [0.3, tie, 0.5, 0.7])[0] == pytest.approx(
        stats.spearmanr([0, 1, 2, 3], [0.3, 0.3, 0.5, 0.7]).statistic
    )
    assert st.friedman([[0.3, tie, 0.5], [0.3, tie, 0.5]]).ranks == (2.5, 2.5, 1.0)


@pytest.mark.parametrize("mean", [0.0, 0.2, -0.25, 0.5])
def test_equivalence_is_the_larger_of_two_one_sided_tests(mean: float) -> None:
    values = np.array([-0.3, 0.1, 0.2, -0.1, 0.4, 0.0]) - 0.05 + mean
    by_scipy = max(
        stats.ttest_1samp(values, -0.3, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.3, alternative="less").pvalue,
    )
    assert st.equivalence_p(st.estimate(values), 0.3) == pytest.approx(by_scipy, rel=1e-9)


def test_equivalence_is_unknown_without_spread_or_seeds() -> None:
    assert np.isnan(st.equivalence_p(st.estimate([0.1, 0.2]), 0.3))
    assert np.isnan(st.equivalence_p(st.estimate([0.1, 0.1, 0.1]), 0.3))
    assert np.isnan(st.equivalence_p(st.estimate([0.1, 0.2, 0.3]), float("nan")))
