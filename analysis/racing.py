"""Which candidates of a search get further seeds: a race against the best one, paired by seed.

The search asks it what to train next, and the report asks it why each candidate stopped, so that both agree.
The idea is that of F-Race and iterated racing (Birattari et al. 2002; López-Ibáñez et al. 2016): a candidate
without a chance costs no further seed, and comparisons are on the same seeds.
"""

import math
import statistics
from collections.abc import Collection, Iterable
from functools import cache

ALL_SEEDS = "has all seeds"
NO_CHANCE = "no chance left against the best"
RACING = "the race is not over"
STOPPED = "stopped early"
FAILED = "a seed failed"
REPEATED = "drawn before"
CONTROLS = "a control is no candidate"

_LEVEL = 0.2
"""One-sided level at which a candidate has no chance left; by `benchmarks.racing`."""
_NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution whose median absolute deviation is 1."""
_EFFICIENCY = 0.37
"""Share of a standard deviation's degrees of freedom that a median absolute deviation has."""


class Race:
    """Candidates in the order in which they were drawn, and their values on the first of ``seeds`` seeds.

    The incumbent is the candidate with the most seeds, and of several the one with the best mean. A
    challenger gets the incumbent's seeds in their order while the mean of its differences, plus its standard
    error times a t quantile, is above 0. All candidates contribute to the estimated spread of differences.
    For each drawn candidate the incumbent gets another seed, and at the end all that are left. A candidate
    with as many seeds and a better mean becomes the incumbent.

    Args:
        seeds: The most seeds of a candidate.
        race: Whether candidates race; without, each gets all seeds.
    """

    def __init__(self, seeds: int, race: bool = True) -> None:
        self.seeds = seeds
        self._race = race
        self._values: list[list[float]] = []
        self._closed: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._values)

    def enter(self) -> int:
        """Adds a candidate; returns its number, counted from 0."""
        self._values.append([])
        return len(self._values) - 1

    def add(self, candidate: int, merit: float) -> None:
        """Adds the value of a candidate's next seed; larger is better."""
        self._values[candidate].append(merit)

    def close(self, candidate: int, why: str) -> None:
        """Takes a candidate out of the race for good; it is never the incumbent."""
        self._closed[candidate] = why

    def count(self, candidate: int) -> int:
        """How many values a candidate has."""
        return len(self._values[candidate])

    def mean(self, candidate: int, seeds: int | None = None) -> float:
        """Mean of a candidate's values, or of those on its first seeds; NaN where it has none."""
        values = self._values[candidate][:seeds]
        return math.fsum(values) / len(values) if values else math.nan

    def values(self, candidate: int) -> list[float]:
        """A candidate's values, seed by seed."""
        return list(self._values[candidate])

    @property
    def incumbent(self) -> int | None:
        """The candidate with the most seeds, of several the one with the best mean, and then the first."""
        entered = [c for c, values in enumerate(self._values) if values and c not in self._closed]
        return max(entered, key=lambda c: (self.count(c), self.mean(c), -c), default=None)

    def next(self, waiting: Collection[int] = (), drawing: bool = False) -> int | None:
        """The candidate whose next seed is due, challengers first; none where a new one is due, or nothing.

        Args:
            waiting: Candidates of which a seed is being trained.
            drawing: Whether candidates are still to be drawn, so that the incumbent's seeds may wait.
        """
        return next(iter(self._due(range(len(self)), drawing, waiting)), None)

    def ended(self, waiting: Collection[int] = (), drawing: bool = False) -> list[int]:
        """Candidates with a value or a reason that would get no further seed now."""
        due = set(self._due(range(len(self)), drawing, ()))
        known = (c for c, values in enumerate(self._values) if values or c in self._closed)
        return [c for c in known if c not in due and c not in waiting]

    def why(self, candidate: int) -> str:
        """Why a candidate has no more seeds, in words."""
        if candidate in self._closed:
            return self._closed[candidate]
        if self.count(candidate) >= self.seeds:
            return ALL_SEEDS
        return RACING if candidate in self._due([candidate], False, ()) else NO_CHANCE

    def _due(self, candidates: Iterable[int], drawing: bool, waiting: Collection[int]) -> list[int]:
        able = [c for c in candidates if c not in self._closed and c not in waiting and self._values[c]]
        if not self._race:
            return [c for c in able if self.count(c) < self.seeds]
        first = self.incumbent
        if first is None:
            return []
        behind = [c for c in able if self.count(c) < self.count(first)]
        spread = self._spread(first) if behind else None
        due = [c for c in behind if self._has_a_chance(c, first, spread)]
        wanted = min(self.seeds, len(self)) if drawing else self.seeds
        return due + [first] * (first in able and self.count(first) < wanted)

    def _has_a_chance(self, candidate: int, first: int, spread: tuple[float, float] | None) -> bool:
        if spread is None:
            return True
        (sd, freedom), count = spread, self.count(candidate)
        gain = self.mean(candidate) - self.mean(first, count)
        return gain + _quantile(freedom) * sd / math.sqrt(count) > 0

    def _spread(self, first: int) -> tuple[float, float] | None:
        """Standard deviation of differences from the incumbent of one seed, and its degrees of freedom.

        It is a median: a few candidates that collapse on some seeds do not keep the others in the race.
        """
        sizes: list[float] = []
        freedom = 0
        own = self._values[first]
        for candidate, values in enumerate(self._values):
            count = min(len(values), len(own))
            if candidate == first or count < 2:
                continue
            differences = [value - other for value, other in zip(values, own, strict=False)]
            mean = math.fsum(differences) / count
            unbiased = math.sqrt(count / (count - 1))
            sizes += [abs(difference - mean) * unbiased for difference in differences]
            freedom += count - 1
        if not freedom:
            return None
        middle = statistics.median(sizes) * _NORMAL_MAD
        return middle or statistics.fmean(sizes), max(1, round(_EFFICIENCY * freedom))


@cache
def _quantile(freedom: float) -> float:
    from scipy import stats  # slow to import, and a plan without races needs none

    return float(stats.t.ppf(1 - _LEVEL, freedom))
