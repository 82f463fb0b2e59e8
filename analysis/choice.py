"""Which configuration is best: one rule for reports, the console, MLflow's artifacts and loss landscapes."""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from analysis.aims import DIGITS, shortfall


class Standing:
    """A configuration's results, those that may choose it and those that may not.

    Attributes:
        explored: For each searched seed, the trial's key and validation value; larger is better. Of several
            trials of one seed, such as with and without a test under attack, it is the one with the smallest
            key.
        margins: Likewise its margin to each constraint; below 0 if it violates one.
        confirmed: Whether a confirmation has run it on fresh seeds.
        race: The race in which it is searched, if that is its only search.
        examples: How many examples it trained on; infinity for all.
    """

    def __init__(self) -> None:
        self.explored: dict[Hashable, tuple[str, float]] = {}
        self.margins: dict[Hashable, tuple[str, Sequence[float]]] = {}
        self.confirmed = False
        self.race: Hashable | None = None
        self.examples = math.inf
        self._rank: tuple[bool, bool, float, float, float, int, str] | None = None

    @property
    def mean(self) -> float:
        """Mean explored value over seeds; NaN if there is none."""
        values = [value for _, value in self.explored.values()]
        return math.fsum(values) / len(values) if values else math.nan

    @property
    def beyond(self) -> float:
        """By how much the means over seeds violate the constraints; 0 if they keep to all."""
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
        examples: float = math.inf,
    ) -> None:
        """See `Choice.add`."""
        self.examples = examples
        if not fresh:
            self.race = race if not self.explored or race == self.race else None
        if fresh:
            self.confirmed = True
        elif seed not in self.explored or key <= self.explored[seed][0]:
            self.explored[seed] = (key, value)
            self.margins[seed] = (key, margins)
        self._rank = None

    @property
    def rank(self) -> tuple[bool, bool, float, float, float, int, str]:
        """The sort keys of configurations, the smallest first; computed on demand."""
        if self._rank is None:
            if not self.explored:
                return True, True, -self.examples, math.inf, math.inf, 0, ""
            merit, beyond = round(self.mean, DIGITS), self.beyond
            smallest, _ = min(self.explored.values())
            merits = (beyond, -merit, -len(self.explored), smallest)
            self._rank = (False, not self.confirmed, -self.examples, *merits)
        return self._rank


class Choice:
    """Configurations in the order in which validation chooses them, kept up to date result by result.

    A configuration is chosen by its mean over the searched seeds. One that keeps to all constraints of the
    sweep's rule (`analysis.aims`) comes before one that does not, and the less one violates them the better.
    If some were confirmed, one of those is chosen: the others have only shown that they are the best of many.
    Results on fresh seeds never choose, and so stay unbiased for the chosen configuration; a configuration
    that has no other results comes last. In a race (`analysis.racing`), a configuration earns further seeds:
    the more of them it lacks to the most that one has, the later it comes, so that no lucky seed decides. Of
    equals, the one with more seeds is first, then the one with the smallest key: the order of results does
    not matter.

    How many examples to train on is a question of a sweep, and no choice: a configuration that trained on
    fewer examples than another comes after it, whatever its validation value.
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
        examples: float = math.inf,
    ) -> None:
        """Adds a complete trial.

        Args:
            configuration: Names its configuration; see `trainables.trial.Identity`.
            seed: Its seed; a configuration counts once per seed.
            key: Its key; a result that is added again under its key counts once.
            value: Its validation value, larger is better.
            margins: Its margin to each constraint; as many for every trial.
            fresh: Whether a confirmation ran it.
            race: Names the race in which it ran, if it ran in one.
            examples: How many examples it trained on; infinity for all of the split.
        """
        standing = self._standings.setdefault(configuration, Standing())
        standing.add(seed, key, value, margins, fresh=fresh, race=race, examples=examples)
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
            nothing, unconfirmed, fewer, *rest = standing.rank
            missing = 0 if standing.race is None else most[standing.race] - len(standing.explored)
            return nothing, unconfirmed, fewer, missing, *rest

        return rank

    def standing(self, configuration: Hashable) -> Standing:
        """The place of an added configuration in the order."""
        return self._standings[configuration]
