"""The interval over seeds and examples, against its variance by hand and what it should cover."""

import numpy as np
import pytest

from analysis.crossed import crossed_interval


def _world(rng: np.random.Generator, seeds: int, examples: int, gain: float) -> tuple[np.ndarray, np.ndarray]:
    """Two ways to train whose accuracies differ by ``gain``, with seeds and examples that vary."""
    hard = rng.normal(0, 1, examples)
    luck = rng.normal(0, 0.3, seeds)
    noise = rng.normal(0, 0.5, (2, seeds, examples))
    cut = np.quantile(hard, 0.9)
    return (hard + luck[:, None] + noise[0] < cut + gain), (hard + luck[:, None] + noise[1] < cut)


def test_its_width_is_that_of_the_variance_of_both() -> None:
    """Owen's expectation by hand: with one factor constant, the other's alone, twice over none."""
    rng = np.random.default_rng(0)
    examples = rng.random(400) < 0.3
    ours, theirs = np.tile(examples, (10, 1)), np.zeros((10, 400), bool)
    low, high = crossed_interval(ours, theirs)
    assert (low + high) / 2 == pytest.approx(examples.mean(), abs=0.005)
    assert high - low == pytest.approx(2 * 1.96 * examples.std() / np.sqrt(400), rel=0.07)

    of_seeds = np.arange(10) < 3
    low, high = crossed_interval(np.repeat(of_seeds[:, None], 400, 1), theirs)
    assert high - low == pytest.approx(2 * 1.96 * of_seeds.std() / np.sqrt(10), rel=0.15)


def test_it_covers_the_truth_where_an_interval_over_seeds_does_not() -> None:
    """Of 40 test splits of one world, each with its own examples."""
    rng = np.random.default_rng(1)
    truth = np.subtract(*(side.mean() for side in _world(rng, 1000, 2000, 0.15)))
    covered = covered_by_seeds = 0
    for _ in range(40):
        ours, theirs = _world(rng, 12, 300, 0.15)
        low, high = crossed_interval(ours, theirs, resamples=200)
        covered += low <= truth <= high
        of_seeds = (ours.mean(1) - theirs.mean(1)).astype(float)
        half = 2.201 * of_seeds.std(ddof=1) / np.sqrt(12)
        covered_by_seeds += abs(of_seeds.mean() - truth) <= half
    assert covered >= 36
    assert covered > covered_by_seeds


def test_what_does_not_pair_is_no_interval() -> None:
    two = np.ones((2, 5), bool)
    assert np.isnan(crossed_interval(two, two)).all(), "two seeds"
    with pytest.raises(ValueError, match="differ"):
        crossed_interval(np.ones((3, 5), bool), np.ones((3, 6), bool))
