"""Which candidates of a search get further seeds: a race against the best one, paired by seed.

The search asks it what to train next, and the report asks it why each candidate stopped, so that both agree.
The idea is that of F-Race and iterated racing (Birattari et al. 2002; López-Ibáñez et al. 2016): a candidate
without a chance costs no further seed, and comparisons are on the same seeds.
"""

import math
import statistics
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator
from functools import cache, partial

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
        self._open: list[list[tuple[float, int]]] = [[] for _ in range(seeds)]
        """Means and numbers of candidates that may get another seed, in order, by how many they have."""
        self._incumbent: int | None = None
        self._differences: _Differences | None = None

    def __len__(self) -> int:
        return len(self._values)

    def enter(self) -> int:
        """Adds a candidate; returns its number, counted from 0."""
        self._values.append([])
        return len(self._values) - 1

    def add(self, candidate: int, merit: float) -> None:
        """Adds the value of a candidate's next seed, a finite number; larger is better."""
        self._leave(candidate)
        self._values[candidate].append(merit)
        if candidate not in self._closed:
            if self.count(candidate) < self.seeds:
                insort(self._open[self.count(candidate)], self._place(candidate))
            first = self._incumbent
            if first is None or self._rank(candidate) > self._rank(first):
                self._incumbent = candidate
        if self._differences is not None:
            self._differences.update(candidate, self._values[candidate])

    def close(self, candidate: int, why: str) -> None:
        """Takes a candidate out of the race for good; it is never the incumbent."""
        self._leave(candidate)
        self._closed[candidate] = why
        if candidate == self._incumbent:
            entered = (c for c, values in enumerate(self._values) if values and c not in self._closed)
            self._incumbent = max(entered, key=self._rank, default=None)

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
        return self._incumbent

    def next(self, waiting: Collection[int] = (), drawing: bool = False) -> int | None:
        """The candidate whose next seed is due, challengers first; none where a new one is due, or nothing.

        Args:
            waiting: Candidates of which a seed is being trained.
            drawing: Whether candidates are still to be drawn, so that the incumbent's seeds may wait.
        """
        first = self._incumbent if self._race else None
        challengers = (c for c in self._challengers(first) if c not in waiting)
        due = min(challengers, default=None)
        return first if due is None and first not in waiting and self._goes_on(first, drawing) else due

    def ended(self, among: Iterable[int], waiting: Collection[int] = (), drawing: bool = False) -> list[int]:
        """Candidates with a value or a reason that would get no further seed now.

        Args:
            among: Those to look at.
            waiting: Candidates of which a seed is being trained; they have not ended.
            drawing: Whether candidates are still to be drawn, so that the incumbent's seeds may wait.
        """
        known = (c for c in among if c not in waiting and (self._values[c] or c in self._closed))
        return [c for c in known if not self._is_due(c, drawing)]

    def why(self, candidate: int) -> str:
        """Why a candidate has no more seeds, in words."""
        if candidate in self._closed:
            return self._closed[candidate]
        if self.count(candidate) >= self.seeds:
            return ALL_SEEDS
        return RACING if self._is_due(candidate, False) else NO_CHANCE

    def _is_due(self, candidate: int, drawing: bool) -> bool:
        """Whether a candidate would get another seed, were none being trained."""
        count, first = self.count(candidate), self._incumbent
        if candidate in self._closed or not 0 < count < self.seeds:
            return False
        if not self._race or first is None:
            return not self._race
        if candidate == first:
            return self._goes_on(first, drawing)
        return count < self.count(first) and self._has_a_chance(self.mean(candidate), count, first)

    def _goes_on(self, first: int | None, drawing: bool) -> bool:
        """Whether the incumbent, if there is one, gets another seed."""
        wanted = min(self.seeds, len(self)) if drawing else self.seeds
        return first is not None and self.count(first) < wanted

    def _challengers(self, first: int | None) -> Iterator[int]:
        """Candidates that get another seed; in a race, only those who have fewer than the incumbent.

        Of candidates with as many seeds, the better mean has the better chance: where one has a chance, so
        have those behind it in the order of their means.
        """
        for count, places in enumerate(self._open if first is None else self._open[: self.count(first)]):
            begin = 0
            if first is not None and places:
                chances = partial(self._has_a_chance, count=count, first=first)
                begin = bisect_left(places, True, key=lambda place: chances(place[0]))
            yield from (candidate for _, candidate in places[begin:])

    def _has_a_chance(self, mean: float, count: int, first: int) -> bool:
        """Whether a mean over the first seeds may still become better than the incumbent's."""
        spread = self._spread(first)
        if spread is None:
            return True
        sd, freedom = spread
        return mean - self.mean(first, count) + _quantile(freedom) * sd / math.sqrt(count) > 0

    def _spread(self, first: int) -> tuple[float, float] | None:
        """Standard deviation of differences from the incumbent of one seed, and its degrees of freedom."""
        own = self._values[first]
        if self._differences is None or not self._differences.is_from(first, len(own)):
            self._differences = _Differences(first, own, self._values)
        return self._differences.spread

    def _rank(self, candidate: int) -> tuple[int, float, int]:
        return self.count(candidate), self.mean(candidate), -candidate

    def _place(self, candidate: int) -> tuple[float, int]:
        return self.mean(candidate), candidate

    def _leave(self, candidate: int) -> None:
        """Takes a candidate from among those that may get another seed, if it is there."""
        if candidate not in self._closed and 0 < self.count(candidate) < self.seeds:
            places = self._open[self.count(candidate)]
            del places[bisect_left(places, self._place(candidate))]


class _Differences:
    """How far candidates' values scatter about an incumbent's, kept up value by value.

    Args:
        first: The incumbent.
        own: Its values.
        values: Those of all candidates.
    """

    def __init__(self, first: int, own: list[float], values: list[list[float]]) -> None:
        self._first, self._own = first, list(own)
        self._sizes_of: dict[int, list[float]] = {}
        self._freedom = 0
        for candidate, each in enumerate(values):
            self._note(candidate, each)
        self._sizes = sorted(size for sizes in self._sizes_of.values() for size in sizes)
        self._spread: tuple[float, float] | None = None

    def is_from(self, first: int, count: int) -> bool:
        """Whether these are the differences from an incumbent that has so many seeds."""
        return (first, count) == (self._first, len(self._own))

    def update(self, candidate: int, values: list[float]) -> None:
        """Takes a candidate's values in the place of those it had."""
        for size in self._sizes_of.get(candidate, ()):
            del self._sizes[bisect_left(self._sizes, size)]
        for size in self._note(candidate, values):
            insort(self._sizes, size)
        self._spread = None

    @property
    def spread(self) -> tuple[float, float] | None:
        """Their standard deviation and its degrees of freedom; nothing before any is known.

        It is a median: a few candidates that collapse on some seeds do not keep the others in the race.
        """
        if self._spread is None and self._freedom:
            count = len(self._sizes)
            middle = (self._sizes[(count - 1) // 2] + self._sizes[count // 2]) / 2 * _NORMAL_MAD
            scatter = middle or statistics.fmean(self._sizes)
            self._spread = scatter, max(1, round(_EFFICIENCY * self._freedom))
        return self._spread

    def _note(self, candidate: int, values: list[float]) -> list[float]:
        """Sizes of a candidate's differences about their mean; none of the incumbent or of a single seed."""
        before, count = len(self._sizes_of.get(candidate, ())), min(len(values), len(self._own))
        sizes: list[float] = []
        if candidate != self._first and count > 1:
            differences = [value - other for value, other in zip(values, self._own, strict=False)]
            mean = math.fsum(differences) / count
            unbiased = math.sqrt(count / (count - 1))
            sizes = [abs(difference - mean) * unbiased for difference in differences]
            self._sizes_of[candidate] = sizes
        self._freedom += max(0, count - 1) * bool(sizes) - max(0, before - 1)
        return sizes


@cache
def _quantile(freedom: float) -> float:
    from scipy import stats  # slow to import, and a plan without races needs none

    return float(stats.t.ppf(1 - _LEVEL, freedom))
