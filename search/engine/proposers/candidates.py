"""Follows the draws of a search: their seeds, their race, and what the sampler learns of them."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.pareto import dominates
from analysis.racing import CONTROLS, FAILED, REPEATED, STOPPED, Race
from search.definition.searches import Sampling
from search.definition.select import Select
from search.records.optuna_log import objectives
from search.records.record import Record, State


@dataclass(frozen=True)
class Told:
    """What a sampler learns of a draw.

    Attributes:
        candidate: Its number.
        state: How it ended.
        values: Its value of each aim if it is complete.
        record: The record of the first seed, whose epochs the sampler learns.
    """

    candidate: int
    state: State
    values: list[float] | None
    record: Record


class Candidates:
    """The draws of a search, followed record by record in their order.

    A record of the first seed is a draw, one of another seed belongs to the draw of its configuration. A
    configuration that is drawn again gets no seeds of its own.

    Args:
        search: The search's settings.
        seeds: The seeds that it trains with, in order.
        select: The metrics by which draws are compared.

    Attributes:
        race: Their race.
        firsts: The record of each draw's first seed.
    """

    def __init__(self, search: Sampling, seeds: tuple[int, ...], select: Select) -> None:
        self._search, self._select = search, select
        self._seeds = seeds[: search.seeds]
        self.race = Race(len(self._seeds), search.race)
        self.firsts: list[Record] = []
        self._of: dict[str, int] = {}
        self._twins: dict[int, int] = {}
        self._running: dict[int, tuple[int, Record]] = {}
        self._told: set[int] = set()
        self._untold: dict[int, None] = {}
        self._points: dict[int, list[list[float]]] = defaultdict(list)

    @property
    def drawing(self) -> bool:
        """Whether further candidates are to be drawn."""
        return len(self.firsts) < self._search.trials and not self._stale()

    @property
    def waiting(self) -> set[int]:
        """Candidates with a seed that is being trained."""
        return {candidate for candidate, _ in self._running.values()}

    def begins(self, record: Record) -> bool:
        """Whether a record is a draw, and not a further seed of one."""
        return record.trial.seed == self._seeds[0]

    def next_seed(self, candidate: int) -> int:
        """A candidate's next seed."""
        return self._seeds[self.race.count(candidate)]

    def add(self, record: Record) -> None:
        """Takes the next record; `settle` takes its result."""
        configuration = record.identity.configuration
        if not self.begins(record):
            candidate = self._of[configuration]
        else:
            candidate = self.race.enter()
            self._untold[candidate] = None
            self.firsts.append(record)
            twin = self._of.setdefault(configuration, candidate)
            if twin != candidate and len(self._seeds) > 1:
                self._twins[candidate] = twin
                self.race.close(candidate, REPEATED)
        self._running[record.number] = candidate, record

    def settle(self) -> list[Told]:
        """Takes the results of newly finished records; returns the draws for the sampler to learn."""
        told: list[Told] = []
        for number, (candidate, record) in list(self._running.items()):
            if not record.finished:
                continue
            del self._running[number]
            self._hear(candidate, record)
            ended = self.race.ended(list(self._untold), self.waiting, self.drawing)
            for new in ended:
                self._told.add(new)
                del self._untold[new]
            told += map(self._tell, ended)
        return told

    def _hear(self, candidate: int, record: Record) -> None:
        values = objectives(record, self._select)
        if candidate in self._twins:
            return
        if record.state is State.PRUNED:
            self.race.close(candidate, STOPPED)
        elif record.state is State.FAILED or values is None or not all(map(math.isfinite, values)):
            self.race.close(candidate, FAILED)
        else:
            self.race.add(candidate, self._select.sign * values[0])
            self._points[candidate].append(values)
        if record.identity.control and self._search.race:
            self.race.close(candidate, CONTROLS)

    def _tell(self, candidate: int) -> Told:
        first = self.firsts[candidate]
        if len(self._seeds) == 1 and not self._select.several:
            values = objectives(first, self._select) if first.state is State.COMPLETE else None
            return Told(candidate, first.state, values, first)
        source = self._twins.get(candidate, candidate)
        merits, why = self.race.values(source), self.race.why(source)
        if self.firsts[source].state is State.PRUNED:
            return Told(candidate, State.PRUNED, None, self.firsts[source])
        if why == FAILED or not merits:
            return Told(candidate, State.FAILED, None, first)
        if self._search.objective == "lower":
            return Told(candidate, State.COMPLETE, [self._select.sign * _lower_end(merits)], first)
        return Told(candidate, State.COMPLETE, self._means(source), first)

    def _means(self, candidate: int) -> list[float]:
        """Mean of each aim over a candidate's seeds."""
        points = self._points[candidate]
        return [math.fsum(values) / len(points) for values in zip(*points, strict=True)]

    def _stale(self) -> bool:
        """Whether the last ``patience`` draws brought nothing better."""
        patience, select = self._search.patience, self._select
        if patience is None:
            return False
        if select.several:
            return self._since_the_front_grew() >= patience
        if len(self._seeds) > 1:
            best = max(self._told, key=lambda c: (self.race.mean(c), -c), default=0)
            best = (self.race.incumbent or 0) if self._search.race else best
            return sum(candidate > best for candidate in self._told) >= patience
        finished = [r.value(select) for r in self.firsts if r.state in (State.COMPLETE, State.PRUNED)]
        values = [select.sign * value for value in finished if value is not None]
        return len(values) - (values.index(max(values)) + 1 if values else 0) >= patience

    def _since_the_front_grew(self) -> int:
        """Draws, without failures, since the last that was better in some aim than each before it."""
        signs = [aim.sign for aim in self._select.aims]
        front: list[tuple[float, ...]] = []
        since = 0
        for candidate in sorted(self._told):
            if self.firsts[candidate].state is State.FAILED:
                continue
            point = tuple(sign * mean for sign, mean in zip(signs, self._means(candidate), strict=False))
            since += 1
            if point and not any(other == point or dominates(other, point) for other in front):
                front.append(point)
                since = 0
        return since


def _lower_end(merits: Sequence[float]) -> float:
    """The lower end of the 95 % interval of a mean over seeds; the mean itself for too few seeds."""
    from analysis.statistics import FEWEST, estimate  # slow to import, and most searches need none

    found = estimate(merits)
    return found.low if len(merits) >= FEWEST else found.mean
