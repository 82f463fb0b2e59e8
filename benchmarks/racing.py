"""What racing over seeds saves and costs: searches with known means, raced and with all seeds.

Prints the tables of docs/how-to/several-seeds.md. A search draws 40 configurations. On the stated surface
they lie evenly in the unit square; one at distance r of the optimum has a gain of ``effect - 2 r²`` points,
and with an effect of 0 every one equals the baseline. On a fitted surface (`benchmarks.surfaces`) they lie
evenly in log ε, p and K, and the best place gains ``effect``; with an effect of 0 all others lose. What is
measured adds a part that a seed has for all, and one of its own, both normal with the same standard
deviation. The choice is then confirmed on eight fresh seeds beside the baseline. A gain is claimed where the
95 % interval of the paired differences is above 0.

    python -m benchmarks.racing [--repeats 200]
"""

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.racing import Race
from analysis.statistics import estimate
from benchmarks import surfaces

CONFIGURATIONS, SEEDS = 40, 8
NOISE, EFFECTS = (0.2, 0.6, 1.0), (0.0, 0.3, 1.0)
STATED = "stated"
_STEEP = 2.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """How one search ended.

    Attributes:
        chosen: True gain of what it chose, in points.
        trials: How many trainings it took.
        claimed: Whether fresh seeds claim a gain.
    """

    chosen: float
    trials: int
    claimed: bool


def surface(rng: np.random.Generator, effect: float, name: str = STATED) -> Array:
    """True gains over the baseline of the configurations that a search draws, in points."""
    if name != STATED:
        return surfaces.draw(name, rng, CONFIGURATIONS, effect)
    if effect == 0:
        return np.zeros(CONFIGURATIONS)
    optimum = rng.uniform(0.2, 0.8, 2)
    distance = np.linalg.norm(rng.uniform(0, 1, (CONFIGURATIONS, 2)) - optimum, axis=1)
    return np.asarray(effect - _STEEP * distance**2)


def raced(measured: Array) -> tuple[int, int]:
    """The choice of a race on values by configuration and seed, and how many of them it looked at."""
    race, trials = Race(measured.shape[1]), 0
    while True:
        drawing = len(race) < len(measured)
        candidate = race.next(drawing=drawing)
        if candidate is None:
            if not drawing:
                break
            candidate = race.enter()
        race.add(candidate, float(measured[candidate, race.count(candidate)]))
        trials += 1
    assert race.incumbent is not None
    return race.incumbent, trials


def search(rng: np.random.Generator, effect: float, noise: float, name: str = STATED) -> dict[str, Outcome]:
    """One search by each way of choosing, on the same values."""
    gains = surface(rng, effect, name)
    shape = (CONFIGURATIONS, SEEDS)
    measured = gains[:, None] + rng.normal(0, noise, SEEDS) + rng.normal(0, noise, shape)
    winner, trials = raced(measured)
    ways = {
        "one seed": (int(measured[:, 0].argmax()), CONFIGURATIONS),
        "all seeds": (int(measured.mean(axis=1).argmax()), CONFIGURATIONS * SEEDS),
        "race": (winner, trials),
    }
    noises = rng.normal(0, noise, (2, SEEDS))
    return {
        way: Outcome(gains[chosen], spent, estimate(gains[chosen] + noises[0] - noises[1]).low > 0)
        for way, (chosen, spent) in ways.items()
    }


def main(repeats: int) -> None:
    """Prints the table, and how well the fitted surfaces fit."""
    print(
        "| surface | effect | noise | gain chosen: one seed | all seeds | race | race's trials "
        "| race claims a gain |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, effect, noise in itertools.product((STATED, *surfaces.NAMES), EFFECTS, NOISE):
        rng = np.random.default_rng([round(100 * effect), round(100 * noise)])
        found = [search(rng, effect, noise, name) for _ in range(repeats)]
        means = {way: np.mean([each[way].chosen for each in found]) for way in found[0]}
        differences = [each["race"].chosen - each["all seeds"].chosen for each in found]
        share = np.mean([each["race"].trials for each in found]) / (CONFIGURATIONS * SEEDS)
        claims = np.mean([each["race"].claimed for each in found])
        error = np.std(differences) / np.sqrt(repeats)
        print(
            f"| {name} | {effect:.1f} | {noise:.1f} | {means['one seed']:+.2f} | {means['all seeds']:+.2f} | "
            f"{means['race']:+.2f} (± {error:.2f} beside all seeds) | {share:.0%} | {claims:.1%} |"
        )
    for name in surfaces.NAMES:
        places, gains = surfaces.cells(name)
        explained = surfaces.fitted(name)[1]
        spread = f"gains {gains.min():+.2f} to {gains.max():+.2f}"
        print(f"\n{name}: {len(places)} cells, {spread}; the fit explains {explained:.0%} of their variance")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=200)
    main(parser.parse_args().repeats)
