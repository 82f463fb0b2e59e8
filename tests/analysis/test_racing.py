"""Which candidates get further seeds: races worked out by hand, and what simulated ones save."""

import numpy as np
import pytest
from scipy import stats

from analysis.racing import ALL_SEEDS, FAILED, NO_CHANCE, RACING, Race
from benchmarks.racing import search


def _run(values: list[list[float]], race: Race) -> list[tuple[int, int]]:
    """The candidate and seed of every training, one at a time."""
    asked = []
    while True:
        drawing = len(race) < len(values)
        candidate = race.next(drawing=drawing)
        if candidate is None:
            if not drawing:
                return asked
            candidate = race.enter()
        asked.append((candidate, race.count(candidate)))
        race.add(candidate, values[candidate][race.count(candidate)])


def test_a_race_worked_out_by_hand() -> None:
    """Nothing is known of the spread before a candidate has two seeds beside the incumbent's."""
    race = Race(seeds=3)
    values = [[5.0, 6.0, 5.5], [4.0, 5.0, 4.5], [1.0, 9.0, 9.0]]
    asked = _run(values, race)
    # 0 begins. 1 has as many seeds as it and is worse; the incumbent's second seed gives 1 its own, as the
    # spread is not known. Differences of -1 and -1 have none, so that 1 is out, and so is 2 with -4. The
    # incumbent gets its last seed in the end.
    assert asked == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)]
    assert race.incumbent == 0
    assert [race.why(c) for c in range(3)] == [ALL_SEEDS, NO_CHANCE, NO_CHANCE]


def test_a_candidate_of_one_lucky_seed_is_not_the_incumbent() -> None:
    race = Race(seeds=4)
    _run([[5.0, 5.1, 4.9, 5.0], [9.0, 1.0, 1.1, 0.9], [4.0, 4.2, 4.1, 4.0]], race)
    assert race.incumbent == 0
    assert race.count(0) == 4


def test_a_better_candidate_takes_over_and_gets_the_remaining_seeds() -> None:
    race = Race(seeds=4)
    _run([[1.0, 1.1, 0.9, 1.0], [2.0, 2.2, 2.1, 1.9]], race)
    assert (race.incumbent, race.count(1)) == (1, 4)
    assert race.count(0) < 4


def test_the_chance_is_that_of_a_paired_comparison() -> None:
    """The bound in another formulation: of differences with a known spread, their t quantile from SciPy."""
    rng = np.random.default_rng(3)
    race = Race(seeds=40)
    own = rng.normal(0, 1, 40)
    for candidate in range(3):
        race.enter()
        for value in own if candidate == 0 else own[:30] + rng.normal(-0.2 * candidate, 1, 30):
            race.add(candidate, float(value))
    differences = [np.array(race.values(c)) - own[:30] for c in (1, 2)]
    sizes = np.concatenate([np.abs(d - d.mean()) * np.sqrt(30 / 29) for d in differences])
    sd = np.median(sizes) / stats.norm.ppf(0.75)
    quantile = stats.t.ppf(0.8, round(0.37 * 58))
    bound = -quantile * sd / np.sqrt(3)
    for mean, chance in ((bound + 0.02, True), (bound - 0.02, False)):
        late = race.enter()
        for value in own[:3] + mean + np.array([0.0, 0.0, 0.0]):
            race.add(late, float(value))
        # Its own differences have no spread; with two more zeros the median moves little.
        assert (race.why(late) == RACING) is chance
        race.close(late, "seen")


def test_one_that_collapses_keeps_no_others_in_the_race() -> None:
    steady = [[0.0] * 8] + [
        [-1.0 - 0.1 * c, *(-1.0 - 0.1 * c + 0.01 * s for s in range(7))] for c in range(10)
    ]
    collapsing = [*steady[:5], [0.1, -90.0, *[-90.0] * 6], *steady[5:]]
    calm, wild = Race(8), Race(8)
    assert len(_run(collapsing, wild)) <= len(_run(steady, calm)) + 4


def test_who_failed_is_never_the_incumbent() -> None:
    race = Race(seeds=3)
    for merit in (1.0, 5.0):
        race.add(race.enter(), merit)
    race.close(1, FAILED)
    assert race.incumbent == 0
    assert race.next() == 0
    assert race.why(1) == FAILED


def test_without_a_race_all_get_all_seeds_and_no_decision_is_made() -> None:
    values = [[1.0, 2.0], [0.0, 0.0], [9.0, 9.0]]
    asked = _run(values, Race(2, race=False))
    assert sorted(asked) == [(c, s) for c in range(3) for s in range(2)]
    assert asked[:2] == [(0, 0), (0, 1)], "a candidate is complete before the next is drawn"


def test_while_one_waits_another_is_asked_for() -> None:
    race = Race(seeds=3)
    for merit in (1.0, 0.9, 0.8):
        race.add(race.enter(), merit)
    assert race.next() == 0
    assert race.next(waiting=[0]) is None
    race.add(0, 1.0)
    assert [race.next(), race.next(waiting=[1]), race.next(waiting=[0, 1, 2])] == [1, 2, None]


@pytest.mark.parametrize(("effect", "noise"), [(0.0, 0.6), (1.0, 0.2), (1.0, 1.0)])
def test_a_race_chooses_as_well_as_all_seeds_at_half_the_cost(effect: float, noise: float) -> None:
    rng = np.random.default_rng(7)
    found = [search(rng, effect, noise) for _ in range(40)]
    trials = [np.mean([each[way].trials for each in found]) for way in ("race", "all seeds")]
    assert trials[0] < 0.5 * trials[1]
    gains = {way: np.mean([each[way].chosen for each in found]) for way in found[0]}
    assert gains["race"] > gains["all seeds"] - 0.05
    if effect:
        assert gains["race"] > gains["one seed"] + 0.02
