"""Which trial comes next: one proposer for each kind of search, all rebuilt from the records alone."""

from collections.abc import Callable, Sequence

from dropattack import UsageError
from search.definition.sweep import Confirm, Sampling, Sweep
from search.engine.proposers.base import Before, Checksum, Proposal, Proposer, Scope
from search.engine.proposers.confirm import ConfirmProposer
from search.engine.proposers.grid import GridProposer, grid_trials
from search.engine.proposers.sampling import SamplingProposer
from search.records.record import Record

Recorded = Callable[[str], Sequence[Record]]

__all__ = [
    "Before",
    "Checksum",
    "Proposal",
    "Proposer",
    "Recorded",
    "Scope",
    "grid_trials",
    "proposer_for",
    "total_of",
]


def proposer_for(scope: Scope, recorded: Recorded = lambda sweep: ()) -> Proposer:
    """The proposer that a stage's search asks for.

    Args:
        scope: What to propose for.
        recorded: Gives the complete records of another sweep by its name, for a warm start.
    """
    search = scope.stage.search
    if isinstance(search, Sampling):
        known = [
            record
            for name in search.warm_start
            for record in recorded(name)
            if record.trial.workload == scope.workload
        ]
        return SamplingProposer(scope, search, known)
    if isinstance(search, Confirm):
        return ConfirmProposer(scope, search)
    return GridProposer(scope)


def total_of(sweep: Sweep) -> int:
    """How many trials a sweep has when it is done; 0 where what it names is no longer known."""
    try:
        return sum(
            proposer_for(Scope(sweep, stage, workload, lambda workload, options: "")).total
            for stage in sweep.stages
            for workload in sweep.stage_workloads(stage)
        )
    except UsageError:
        return 0
