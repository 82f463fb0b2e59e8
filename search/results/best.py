"""The best configuration of a sweep by its present records, and the trial whose model represents it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.aims import shortfall
from analysis.choice import Choice
from search.definition.searches import Confirm
from search.definition.sweep import Sweep
from search.records.choosing import consider
from search.records.record import Record
from search.results.asked import name_rank


@dataclass(frozen=True)
class Best:
    """The configuration that validation chooses.

    Attributes:
        record: The configuration's trial with the best validation value, whose model is used.
        mean: Mean of the deciding metric on validation over the searched seeds, which chose it.
        seeds: How many seeds those are.
        confirmed: Whether it ran on fresh seeds too.
        keeps: Whether its means keep to all constraints.
    """

    record: Record
    mean: float
    seeds: int
    confirmed: bool
    keeps: bool = True


class BestSoFar:
    """The best configuration of every workload, kept up to date record by record.

    Only complete trials count, and no controls. `analysis.choice.Choice` decides, as in the report.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._select = sweep.select
        self._confirmations = {stage.name for stage in sweep.stages if isinstance(stage.search, Confirm)}
        self._races = {stage.name for stage in sweep.stages if stage.races}
        self._choices: dict[str, Choice] = {}
        self._models: dict[str, tuple[tuple[Any, ...], Record]] = {}

    def add(self, record: Record) -> None:
        """Counts a record if it is complete."""
        choice = self._choices.get(record.trial.workload, Choice())
        race = record.stage if record.stage in self._races else None
        fresh = record.stage in self._confirmations
        merit = consider(choice, record, self._select, fresh=fresh, race=race)
        if merit is None:
            return
        self._choices[record.trial.workload] = choice
        configuration = record.identity.configuration
        rank = (shortfall(record.margins(self._select)), -merit, record.key, *name_rank(record))
        known = self._models.get(configuration)
        if known is None or rank < known[0]:
            self._models[configuration] = (rank, record)

    def best(self) -> Mapping[str, Best]:
        """The best by workload, for workloads with a complete trial."""
        return {workload: self._of(choice) for workload, choice in self._choices.items()}

    def _of(self, choice: Choice) -> Best:
        chosen = str(choice.best)
        standing = choice.standing(chosen)
        mean = self._select.rule.decides.sign * standing.mean
        kept = standing.beyond == 0
        return Best(self._models[chosen][1], mean, len(standing.explored), standing.confirmed, kept)


def best_by_workload(sweep: Sweep, records: Iterable[Record]) -> Mapping[str, Best]:
    """The best configuration of every workload; see `BestSoFar`."""
    found = BestSoFar(sweep)
    for record in records:
        found.add(record)
    return found.best()
