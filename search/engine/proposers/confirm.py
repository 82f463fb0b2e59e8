"""Confirmation: the best configurations again, on seeds that did not choose them."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from analysis.choice import Choice
from dropattack.methods.standard import SAME
from dropattack.settings import SAME_UPDATES
from search.definition.searches import Confirm
from search.definition.sweep import Stage
from search.engine.proposers.base import Before, Proposal, Proposer, Scope
from search.records.record import Record, State
from trainables.trial import Trial


class ConfirmProposer(Proposer):
    """The best configurations of the stages before, beside the baseline and controls, on fresh seeds."""

    def __init__(self, scope: Scope, search: Confirm) -> None:
        super().__init__(scope)
        self._search = search

    @property
    @override
    def total(self) -> int:
        search = self._search
        return (1 + search.top * (1 + len(search.controls))) * len(search.seeds)

    @override
    def ready(self, before: Before) -> bool:
        """Only when all stages before are done can the best be known."""
        return all(record.finished for records in before for record in records)

    @override
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        known = {record.key for record in records}
        candidates = self._candidates(before)
        wanted = [(trial.method, trial.hyperparameters, trial) for trial in candidates]
        wanted += [
            (*_control(trial, control), trial)
            for trial in candidates[1:]
            for control in self._search.controls
        ]
        for seed, (method, hyperparameters, trial) in itertools.product(self._search.seeds, wanted):
            confirmed = self.scope.trial(method, hyperparameters, _options(trial), seed)
            if confirmed.key not in known:
                return Proposal(confirmed)
        return None

    def _candidates(self, before: Before) -> list[Trial]:
        """Best configurations in the order of `Choice`, and the baseline with the first one's training.

        Where the first one trained for a budget of passes, the baseline gets as many.
        """
        select = self.scope.sweep.select
        choice = Choice()
        trials: dict[str, Trial] = {}
        stages: dict[str, Stage] = {}
        by_name = {stage.name: stage for stage in self.scope.sweep.stages}
        for record in (r for records in before for r in records):
            value = record.value(select)
            candidate = record.state is State.COMPLETE and not record.identity.control
            if not candidate or value is None or not math.isfinite(value):
                continue
            configuration, stage = record.identity.configuration, by_name[record.stage]
            trials.setdefault(configuration, record.trial)
            stages.setdefault(configuration, stage)
            merit, fresh = select.sign * value, isinstance(stage.search, Confirm)
            race = stage.name if stage.races else None
            choice.add(configuration, record.trial.seed, record.key, merit, fresh=fresh, race=race)
        attacks = (c for c in map(str, choice.order()) if trials[c].computed["method"] != "standard")
        best = list(itertools.islice(attacks, self._search.top))
        if not best:
            return []
        first = trials[best[0]]
        options = _options(first)
        if stages[best[0]].budget == "passes":
            options["training"] = {**first.training, "epochs": math.floor(first.passes_in_all)}
        baseline = self.scope.trial("standard", {}, options, first.seed)
        return [baseline, *(trials[c] for c in best)]


def _control(trial: Trial, control: str) -> tuple[str, Mapping[str, Any]]:
    """Method and hyperparameters of plain training with as many passes as a trial has.

    A method that has the control itself keeps its other settings beside it, which name what it stands beside.
    """
    own = trial.settings.ranges().get("control")
    if own is not None and control in (own.choices or ()):
        return trial.method, {**trial.hyperparameters, "control": control}
    updates = {"updates": SAME} if control == SAME_UPDATES else {}
    return "standard", {"rounds": trial.passes, **updates}


def _options(trial: Trial) -> dict[str, Mapping[str, Any]]:
    return {"training": trial.training, "data": trial.data, "model": trial.model}
