"""Grids: every combination of a stage's values."""

import itertools
from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from dropattack import UsageError
from search.definition.space import grid
from search.definition.sweep import SECTIONS
from search.engine.proposers.base import Before, Proposal, Proposer, Scope
from search.records.record import Record
from trainables.trial import Trial


class GridProposer(Proposer):
    """Every combination for the first seed, then for the next."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._trials = {trial.spelling: trial for trial in grid_trials(scope)}
        if not self._trials:
            raise UsageError(f"stage {scope.stage.name!r}: its exclude leaves nothing of its space")
        self._left = iter(self._trials.items())

    @property
    @override
    def total(self) -> int:
        return len(self._trials)

    @override
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        known = {record.trial.spelling for record in records}
        return next((Proposal(trial) for spelling, trial in self._left if spelling not in known), None)


def grid_trials(scope: Scope) -> Iterator[Trial]:
    """All trials of a grid, seed by seed."""
    for seed in scope.sweep.seeds:
        for method, spaces in scope.stage.methods.items():
            for options in _option_grid(scope):
                for hyperparameters in itertools.chain.from_iterable(map(grid, spaces)):
                    trial = scope.trial(method, hyperparameters, options, seed)
                    if not scope.excludes(trial):
                        yield trial


def _option_grid(scope: Scope) -> Iterator[dict[str, dict[str, Any]]]:
    """Every combination of the options in all `SECTIONS`."""
    grids = (list(grid(scope.spaces[section])) for section in SECTIONS)
    for combination in itertools.product(*grids):
        yield dict(zip(SECTIONS, combination, strict=True))
