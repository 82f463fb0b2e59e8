"""Which configuration is best: one rule for reports, the console, MLflow's artifacts and loss landscapes."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from analysis.aims import DIGITS, shortfall


class Standing:
    """What chooses a configuration, or does not.

    Attributes:
        explored: By seed that was searched, the trial's key and validation value; larger is better. Of
            several trials of one seed, such as with and without a test under attack, the smallest key's.
        margins: Likewise how far it keeps to each constraint; below 0 where it does not.
        confirmed: Whether a confirmation has run it on fresh seeds.
        race: The race that it is searched in, where that is its only search.
    """

    def __init__(self) -> None:
        self.explored: dict[Hashable, tuple[str, float]] = {}
        self.margins: dict[Hashable, tuple[str, Sequence[float]]] = {}
        self.confirmed = False
        self.race: Hashable | None = None
        self._rank: tuple[bool, bool, float, float, int, str] | None = None

    @property
    def mean(self) -> float:
        """Mean explored value over seeds; NaN where there is none."""
        values = [value for _, value in self.explored.values()]
        return math.fsum(values) / len(values) if values else math.nan

    @property
    def beyond(self) -> float:
        """By how much the means over seeds are beyond the constraints; 0 where they keep to all."""
        columns = zip(*(margins for _, margins in self.margins.values()), strict=True)
        return shortfall([math.fsum(column) / len(self.margins) for column in columns])

    def add(
        self,
        seed: Hashable,
        key: str,
        value: float,
        margins: Sequence[float] = (),
        *,
        fresh: bool,
        race: Hashable | None,
    ) -> None:
        """See `Choice.add`."""
        if not fresh:
            self.race = race if not self.explored or race == self.race else None
        if fresh:
            self.confirmed = True
        elif seed not in self.explored or key <= self.explored[seed][0]:
            self.explored[seed] = (key, value)
            self.margins[seed] = (key, margins)
        self._rank = None

    @property
    def rank(self) -> tuple[bool, bool, float, float, int, str]:
        """What configurations are ordered by, the smallest first; worked out when it is asked for."""
        if self._rank is None:
            if not self.explored:
                return True, True, math.inf, math.inf, 0, ""
            merit, beyond = round(self.mean, DIGITS), self.beyond
            smallest, _ = min(self.explored.values())
            self._rank = (False, not self.confirmed, beyond, -merit, -len(self.explored), smallest)
        return self._rank


class Choice:
    """Configurations in the order in which validation chooses them, kept up to date result by result.

    A configuration is chosen by its mean over the seeds that were searched; one that keeps to all constraints
    of the sweep's rule (`analysis.aims`) comes before one that does not, and the less it is beyond them the
    better. Where some were confirmed, one of
    those is chosen: the others have shown nothing but that they are the best of many. What came out on fresh
    seeds never chooses, so that it stays an unbiased result of what was chosen; a configuration that has
    nothing else comes last. In a race (`analysis.racing`) further seeds are what a configuration has earned:
    the more of them are missing to the most that one has, the further back it stands, and none is chosen for
    one lucky seed. Of equals the one with more seeds is first, then the one with the smallest key: it does
    not matter in which order results come.
    """

    def __init__(self) -> None:
        self._standings: dict[Hashable, Standing] = {}
        self._best: Hashable | None = None

    def add(
        self,
        configuration: Hashable,
        seed: Hashable,
        key: str,
        value: float,
        margins: Sequence[float] = (),
        *,
        fresh: bool,
        race: Hashable | None = None,
    ) -> None:
        """Takes note of a complete trial.

        Args:
            configuration: Names its configuration; see `trainables.trial.Identity`.
            seed: Its own; a configuration counts once per seed.
            key: Its own; a result that is added again under its key counts once.
            value: Its validation value, larger is better.
            margins: How far it keeps to each constraint; as many for every trial.
            fresh: Whether a confirmation ran it.
            race: Names the race that it ran in, where it did.
        """
        standing = self._standings.setdefault(configuration, Standing())
        standing.add(seed, key, value, margins, fresh=fresh, race=race)
        self._best = None

    def order(self) -> list[Hashable]:
        """All configurations, the best first."""
        return sorted(self._standings, key=self._ranks())

    @property
    def best(self) -> Hashable | None:
        """The first in order; none before the first result."""
        if self._best is None and self._standings:
            self._best = min(self._standings, key=self._ranks())
        return self._best

    def _ranks(self) -> Callable[[Hashable], tuple[Any, ...]]:
        most: dict[Hashable, int] = {}
        for standing in self._standings.values():
            if standing.race is not None:
                most[standing.race] = max(most.get(standing.race, 0), len(standing.explored))

        def rank(configuration: Hashable) -> tuple[Any, ...]:
            standing = self._standings[configuration]
            nothing, unconfirmed, *rest = standing.rank
            missing = 0 if standing.race is None else most[standing.race] - len(standing.explored)
            return nothing, unconfirmed, missing, *rest

        return rank

    def standing(self, configuration: Hashable) -> Standing:
        """Where a configuration that was added stands."""
        return self._standings[configuration]
