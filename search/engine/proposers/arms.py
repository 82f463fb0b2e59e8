"""Confirms arms: the best configuration of each stage before, on fresh seeds, and the controls of one."""

import itertools
import math

from typing_extensions import override

from analysis.contest import Contest
from search.definition.searches import Confirm
from search.engine.proposers.base import Before, Proposal, Scope
from search.engine.proposers.confirm import Asked, Confirming, control_of, options_of
from search.records.record import Record, State
from trainables.trial import Trial


class ArmsProposer(Confirming):
    """The best configuration of each stage before, plain training among them, beside controls.

    Controls belong to the arm that is compared with the best of the others; see `analysis.contest.Contest`.
    """

    def __init__(self, scope: Scope, search: Confirm) -> None:
        super().__init__(scope, search)
        sweep = scope.sweep
        earlier = itertools.takewhile(lambda stage: stage is not scope.stage, sweep.stages)
        self._stages = {
            stage.name: stage
            for stage in earlier
            if not isinstance(stage.search, Confirm) and scope.workload in sweep.stage_workloads(stage)
        }

    @property
    @override
    def total(self) -> int:
        """The most trials that there can be: arms may share a configuration, which may also be a control."""
        return (len(self._stages) + len(self._search.controls)) * len(self._search.seeds)

    @override
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        known = {record.key for record in records}
        wanted = self._wanted(before)
        for seed, (method, hyperparameters, options) in itertools.product(self._search.seeds, wanted):
            trial = self.scope.trial(method, hyperparameters, options, seed)
            if trial.key not in known:
                return Proposal(trial)
        return None

    def _wanted(self, before: Before) -> list[Asked]:
        contest, trials = self._contest(before)
        wanted: list[Asked] = [
            (trial.method, trial.hyperparameters, options_of(trial))
            for trial in (trials[configuration] for configuration in map(str, contest.best.values()))
        ]
        if contest.contender is None:
            return wanted
        trial = trials[str(contest.best[contest.contender])]
        asked = (control_of(trial, control) for control in self._search.controls)
        return wanted + [(*control, options_of(trial)) for control in asked if control is not None]

    def _contest(self, before: Before) -> tuple[Contest, dict[str, Trial]]:
        """What the stages before found, and a trial of each configuration."""
        select, contest = self.scope.sweep.select, Contest(self._search.arms)
        trials: dict[str, Trial] = {}
        for record in (r for records in before for r in records if r.stage in self._stages):
            value = record.value(select)
            plain = record.trial.method == "standard"
            counts = record.state is State.COMPLETE and (plain or not record.identity.control)
            if not counts or value is None or not math.isfinite(value):
                continue
            configuration, races = record.identity.configuration, self._stages[record.stage].races
            trials.setdefault(configuration, record.trial)
            merit = select.sign * value
            contest.add(record.stage, configuration, record.trial.seed, record.key, merit, race=races)
        return contest, trials
