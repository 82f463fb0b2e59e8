"""One stage of one workload while it runs: what proposes its trials, and the rungs that stop them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from search.engine.proposers import Proposer, Scope
from search.records.record import Record
from trainables.recipe.measured import Metrics

if TYPE_CHECKING:
    from search.engine.rungs import Rungs


@dataclass
class Part:
    """One stage of one workload while it runs."""

    scope: Scope
    proposer: Proposer
    records: list[Record]
    exhausted: bool = False

    @cached_property
    def rungs(self) -> "Rungs | None":
        """Filled from the records at the first decision: Ray, which keeps them, is slow to import."""
        scope = self.scope
        if scope.stage.scheduler is None:
            return None
        from search.engine.rungs import Rungs

        select = scope.sweep.select
        known = filter(self.proposer.stoppable, self.records)
        return Rungs(scope.stage.scheduler, scope.epochs, select, scope.resource, known)

    def goes_on(self, record: Record, metrics: Metrics) -> bool:
        """Tells the rungs of an epoch; returns whether they let the trial go on."""
        if self.rungs is None or not self.proposer.stoppable(record):
            return True
        return self.rungs.goes_on(record, metrics)

    def take_back(self, record: Record, epoch: int) -> None:
        """Takes back what the rungs were told of an epoch and of later ones, if they were filled."""
        if "rungs" in self.__dict__ and self.rungs is not None:
            self.rungs.forget(record, epoch)

    def settle(self, record: Record) -> None:
        """Tells the rungs of a record that another one answered."""
        if record.finished:
            for metrics in record.epochs:
                self.goes_on(record, metrics)
