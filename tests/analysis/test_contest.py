"""Who meets in a contest, by hand."""

from analysis.contest import Contest


def _contest(results: dict[str, dict[str, list[float]]], race: bool = False) -> Contest:
    """A contest of arms by name, each with the values of its configurations on seeds 0, 1, …"""
    contest = Contest(["new", "newer"])
    for arm, configurations in results.items():
        for name, values in configurations.items():
            for seed, value in enumerate(values):
                contest.add(arm, name, seed, f"{arm}/{name}/{seed}", value, race=race)
    return contest


def test_the_best_of_each_side_meet_by_the_mean_of_their_best_configurations() -> None:
    contest = _contest(
        {
            "plain": {"a": [0.90, 0.92], "b": [0.95, 0.80]},
            "other": {"c": [0.93, 0.93]},
            "new": {"d": [0.85, 0.85]},
            "newer": {"e": [0.80, 0.80], "f": [0.84, 0.87]},
        }
    )
    assert contest.best == {"plain": "a", "other": "c", "new": "d", "newer": "f"}
    assert (contest.contender, contest.rival) == ("newer", "other")


def test_of_a_race_no_lucky_seed_makes_an_arm_the_best() -> None:
    """The second configuration of each arm left the race after one seed."""
    arms = {
        "plain": {"a": [0.90, 0.90, 0.90], "lucky": [0.99]},
        "new": {"b": [0.8, 0.8, 0.8], "lucky": [0.97]},
    }
    assert _contest(arms, race=True).best == {"plain": "a", "new": "b"}
    assert _contest(arms, race=False).best == {"plain": "lucky", "new": "lucky"}


def test_a_side_without_results_has_nobody() -> None:
    assert _contest({"new": {"a": [0.5]}}).rival is None
    assert _contest({"plain": {"a": [0.5]}}).contender is None
    assert _contest({}).best == {}
