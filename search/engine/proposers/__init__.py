"""Proposes the next trial: one proposer for each kind of search, all rebuilt from the records alone."""

from dropattack import UsageError
from search.definition.searches import Confirm, Sampling
from search.definition.sweep import Sweep
from search.engine.proposers.arms import ArmsProposer
from search.engine.proposers.base import Before, Checksum, Proposal, Proposer, Scope
from search.engine.proposers.confirm import ConfirmProposer
from search.engine.proposers.grid import GridProposer, grid_trials
from search.engine.proposers.known import Recorded
from search.engine.proposers.sampling import SamplingProposer

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
        scope: The stage and workload.
        recorded: Returns the complete records of another sweep by its name, from which a search may start.
    """
    search = scope.stage.search
    if isinstance(search, Sampling):
        return SamplingProposer(scope, search, recorded)
    if isinstance(search, Confirm):
        return ArmsProposer(scope, search) if search.arms else ConfirmProposer(scope, search)
    return GridProposer(scope)


def total_of(sweep: Sweep) -> int:
    """How many trials a sweep will have; 0 if a name in it is no longer known."""
    try:
        return sum(
            proposer_for(Scope(sweep, stage, workload, lambda workload, options: "")).total
            for stage in sweep.stages
            for workload in sweep.stage_workloads(stage)
        )
    except UsageError:
        return 0
