"""Which configuration validation chooses, by hand."""

import itertools

from analysis.choice import Choice

RESULTS = [
    ("lucky", 0, "k1", 0.95, False),
    ("lucky", 1, "k2", 0.80, False),
    ("steady", 0, "k3", 0.90, False),
    ("steady", 1, "k4", 0.91, False),
    ("single", 0, "k5", 0.92, False),
]


def test_the_mean_over_searched_seeds_chooses() -> None:
    choice = Choice()
    assert choice.best is None
    for configuration, seed, key, value, fresh in RESULTS:
        choice.add(configuration, seed, key, value, fresh=fresh)
    assert choice.order() == ["single", "steady", "lucky"]
    assert choice.best == "single"
    assert (choice.standing("steady").mean, len(choice.standing("steady").explored)) == (0.905, 2)


def test_what_was_confirmed_comes_first_in_the_order_of_the_search() -> None:
    """On fresh seeds lucky does better than steady, which changes nothing."""
    choice = Choice()
    fresh = [("lucky", "f1", 0.99), ("steady", "f2", 0.5), ("never searched", "f3", 1.0)]
    for configuration, seed, key, value, again in [*RESULTS, *((c, 7, k, v, True) for c, k, v in fresh)]:
        choice.add(configuration, seed, key, value, fresh=again)
    assert choice.order() == ["steady", "lucky", "single", "never searched"]


def test_equal_means_are_ordered_alike_however_results_come() -> None:
    """0.1 + 0.2 and 0.3 are equal but for rounding; more seeds win, then the smaller key."""
    results = [("a", 0, "k3", 0.1), ("a", 1, "k4", 0.2), ("b", 0, "k2", 0.15)]
    results += [("c", 0, "k1", 0.2), ("c", 1, "k5", 0.1)]
    for order in itertools.permutations(results):
        choice = Choice()
        for configuration, seed, key, value in order:
            choice.add(configuration, seed, key, value, fresh=False)
        assert choice.order() == ["c", "a", "b"]
        assert choice.best == "c"


def test_a_result_that_is_added_again_counts_once() -> None:
    choice = Choice()
    for value in (0.5, 0.7, 0.7):
        choice.add("a", 0, "k1", value, fresh=False)
    assert (choice.standing("a").mean, len(choice.standing("a").explored)) == (0.7, 1)


def test_two_records_of_one_configuration_and_seed_are_one_value() -> None:
    """Seed 0 was trained with and without a test under attack: (0.9 + 0.6) / 2, not (0.9 + 0.9 + 0.6) / 3.

    Where a device rounded them differently, the smallest key's value counts.
    """
    results = [("a", 0, "plain", 0.9), ("a", 0, "tested", 0.91), ("a", 1, "k1", 0.6), ("b", 0, "k2", 0.79)]
    for order in itertools.permutations(results):
        choice = Choice()
        for configuration, seed, key, value in order:
            choice.add(configuration, seed, key, value, fresh=False)
        assert choice.order() == ["b", "a"]
        assert (choice.standing("a").mean, len(choice.standing("a").explored)) == (0.75, 2)


def test_in_a_race_one_lucky_seed_chooses_nothing() -> None:
    """However results come: who has fewer seeds than another of the race is behind, and who is not of it."""
    results = [("lucky", 0, "k1", 0.99), ("first", 0, "k2", 0.9), ("first", 1, "k3", 0.9)]
    results += [("second", 0, "k4", 0.91), ("second", 1, "k5", 0.87)]
    for order in itertools.permutations(results):
        choice = Choice()
        choice.add("grid", 0, "g", 0.5, fresh=False)
        for configuration, seed, key, value in order:
            choice.add(configuration, seed, key, value, fresh=False, race="search")
        assert choice.order() == ["first", "second", "grid", "lucky"]
        assert choice.best == "first"


def test_races_are_apart_and_a_grid_makes_up_for_one() -> None:
    """One seed is the most of the other race, and what a grid searched too is judged as the grid's."""
    choice = Choice()
    results = [("a", 0, 0.5, "one"), ("a", 1, 0.5, "one"), ("b", 0, 0.6, "other"), ("c", 0, 0.7, "one")]
    for configuration, seed, value, race in results:
        choice.add(configuration, seed, f"{configuration}{seed}", value, fresh=False, race=race)
    assert choice.order() == ["b", "a", "c"]
    choice.add("c", 0, "c0", 0.7, fresh=False)
    assert choice.order() == ["c", "b", "a"]


def test_of_confirmed_candidates_of_a_race_the_one_with_most_seeds_is_first() -> None:
    choice = Choice()
    for configuration, seed, value in (("long", 0, 0.8), ("long", 1, 0.8), ("short", 0, 0.9)):
        choice.add(configuration, seed, f"{configuration}{seed}", value, fresh=False, race="search")
    for configuration in ("long", "short"):
        choice.add(configuration, 7, f"{configuration}7", 0.5, fresh=True)
    assert choice.order() == ["long", "short"]


def test_training_on_fewer_examples_comes_after_training_on_more() -> None:
    """Whatever validation says; what was confirmed still comes first, and infinity is the whole split."""
    sizes = {"few": 100.0, "most": 5000.0, "all": float("inf"), "confirmed": 100.0}
    results = [("few", 0.9), ("most", 0.5), ("all", 0.4), ("confirmed", 0.3)]
    for order in itertools.permutations(results):
        choice = Choice()
        for name, value in order:
            choice.add(name, 0, name, value, fresh=False, examples=sizes[name])
        assert choice.order() == ["all", "most", "few", "confirmed"]
        choice.add("confirmed", 100, "fresh", 0.1, fresh=True, examples=sizes["confirmed"])
        assert choice.order() == ["confirmed", "all", "most", "few"]
