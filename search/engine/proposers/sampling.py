"""Searches that draw from a space with a sampler of Optuna's, each draw on one seed or several."""

from dataclasses import replace

from typing_extensions import override

from search.definition.searches import Sampling
from search.engine.proposers.base import Before, Proposal, Proposer, Scope
from search.engine.proposers.candidates import Candidates
from search.engine.proposers.drawing import Drawing
from search.engine.proposers.known import Recorded, enqueued, known_trials
from search.records.record import Record


class SamplingProposer(Proposer):
    """Draws from the space, given all records of the scope; a drawn combination may get further seeds.

    Proposals depend on the records alone. While a decision waits for a trial that is being trained, it draws
    the next candidate. Rungs stop first seeds only; the race decides whether there are others.

    Args:
        scope: The stage and workload.
        search: The search's settings.
        recorded: Returns the complete records of other sweeps, from which the search may start.

    Attributes:
        remarks: How many of them the sampler could use, a line for each sweep.

    Raises:
        UsageError: A combination to try first is outside of its space.
    """

    def __init__(self, scope: Scope, search: Sampling, recorded: Recorded) -> None:
        super().__init__(scope)
        self._search = search
        known, self.remarks = known_trials(scope, search, recorded)
        self._drawing = Drawing(scope, search, known, enqueued(scope, search, recorded))
        self._candidates = Candidates(search, scope.sweep.seeds, scope.sweep.select)
        self._followed = 0

    @property
    @override
    def total(self) -> int:
        """The most trials that there can be: a race, or patience, may end with fewer."""
        return self._search.trials * self._search.seeds

    @override
    def total_given(self, records: list[Record]) -> int:
        ended = records and self.ended(records) and self.propose(records, []) is None
        return len(records) if ended else self.total

    @override
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        self._follow(records)
        candidates = self._candidates
        waiting, drawing = candidates.waiting, candidates.drawing
        due = candidates.race.next(waiting, drawing)
        if due is None and drawing:
            proposal = self._drawing.draw()
            if proposal is not None:
                return proposal
            due = candidates.race.next(waiting)
        if due is None:
            return None
        first = candidates.firsts[due]
        trial = replace(first.trial, seed=candidates.next_seed(due))
        return Proposal(trial, first.params, first.distributions)

    @override
    def ended(self, records: list[Record]) -> bool:
        """See `Proposer.ended`; trials that still train may decide that there is more."""
        return all(record.finished for record in records)

    @override
    def stoppable(self, record: Record) -> bool:
        """See `Proposer.stoppable`."""
        return self._candidates.begins(record)

    def _follow(self, records: list[Record]) -> None:
        """Takes the records since the last time, in their order, as the undisturbed search did."""
        self._settle()
        for record in records[self._followed :]:
            self._candidates.add(record)
            if self._candidates.begins(record):
                self._drawing.follow(len(self._candidates.firsts) - 1, record)
            self._settle()
        self._followed = len(records)

    def _settle(self) -> None:
        for told in self._candidates.settle():
            self._drawing.tell(told)
