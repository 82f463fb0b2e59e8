"""Which configuration validation chooses, by hand."""

import itertools

from analysis.choice import Choice

RESULTS = [
    ("lucky", "k1", 0.95, False),
    ("lucky", "k2", 0.80, False),
    ("steady", "k3", 0.90, False),
    ("steady", "k4", 0.91, False),
    ("single", "k5", 0.92, False),
]


def test_the_mean_over_searched_seeds_chooses() -> None:
    choice = Choice()
    assert choice.best is None
    for configuration, key, value, fresh in RESULTS:
        choice.add(configuration, key, value, fresh=fresh)
    assert choice.order() == ["single", "steady", "lucky"]
    assert choice.best == "single"
    assert (choice.standing("steady").mean, len(choice.standing("steady").explored)) == (0.905, 2)


def test_what_was_confirmed_comes_first_in_the_order_of_the_search() -> None:
    """On fresh seeds lucky does better than steady, which changes nothing."""
    choice = Choice()
    fresh = [("lucky", "f1", 0.99, True), ("steady", "f2", 0.5, True), ("never searched", "f3", 1.0, True)]
    for configuration, key, value, again in [*RESULTS, *fresh]:
        choice.add(configuration, key, value, fresh=again)
    assert choice.order() == ["steady", "lucky", "single", "never searched"]


def test_equal_means_are_ordered_alike_however_results_come() -> None:
    """0.1 + 0.2 and 0.3 are equal but for rounding; more seeds win, then the smaller key."""
    results = [("a", "k3", 0.1), ("a", "k4", 0.2), ("b", "k2", 0.15), ("c", "k1", 0.2), ("c", "k5", 0.1)]
    for order in itertools.permutations(results):
        choice = Choice()
        for configuration, key, value in order:
            choice.add(configuration, key, value, fresh=False)
        assert choice.order() == ["c", "a", "b"]
        assert choice.best == "c"


def test_a_result_that_is_added_again_counts_once() -> None:
    choice = Choice()
    for value in (0.5, 0.7, 0.7):
        choice.add("a", "k1", value, fresh=False)
    assert (choice.standing("a").mean, len(choice.standing("a").explored)) == (0.7, 1)
