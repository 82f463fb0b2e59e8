"""Confirmation: trains the best configurations again, on seeds that did not choose them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from analysis.budget import budget_of
from analysis.choice import Choice
from dropattack.methods.standard import SAME
from dropattack.settings import EQUAL_PASSES, SAME_UPDATES
from search.definition.budget import budgets_in
from search.definition.options import Options, option_spaces
from search.definition.searches import Confirm
from search.definition.size import count
from search.definition.sweep import Stage
from search.engine.proposers.base import Before, Proposal, Proposer, Scope
from search.records.choosing import consider
from search.records.record import Record
from trainables.trial import Trial

Asked = tuple[str, Mapping[str, Any], Options]
"""Method, hyperparameters and options of a trial without a seed."""


class Confirming(Proposer):
    """Trains again what the stages before found, and so waits for their end."""

    def __init__(self, scope: Scope, search: Confirm) -> None:
        super().__init__(scope)
        self._search = search

    @override
    def ready(self, before: Before) -> bool:
        """The best configurations are known only when all stages before are done."""
        return all(record.finished for records in before for record in records)


class ConfirmProposer(Confirming):
    """The best configurations of the stages before, beside their baselines and controls, on fresh seeds."""

    @property
    @override
    def total(self) -> int:
        """The most trials there can be: configurations that share a baseline or a control need it once."""
        search = self._search
        baselines = search.top if self._settings_vary() else 1
        return (baselines + search.top * (1 + len(search.controls))) * len(search.seeds)

    @override
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        known = {record.key for record in records}
        candidates = self._candidates(before)
        wanted = self._baselines(candidates)
        wanted += [(trial.method, trial.hyperparameters, options_of(trial)) for trial, _ in candidates]
        wanted += [
            (*asked, options_of(trial))
            for trial, _ in candidates
            for control in self._search.controls
            if (asked := control_of(trial, control)) is not None
        ]
        for seed, (method, hyperparameters, options) in itertools.product(self._search.seeds, wanted):
            confirmed = self.scope.trial(method, hyperparameters, options, seed)
            if confirmed.key not in known:
                return Proposal(confirmed)
        return None

    def _settings_vary(self) -> bool:
        """Whether configurations of the stages before may need baselines of their own."""
        sweep, workload = self.scope.sweep, self.scope.workload
        earlier = itertools.takewhile(lambda stage: stage is not self.scope.stage, sweep.stages)
        stages = [s for s in earlier if s.methods and workload in sweep.stage_workloads(s)]
        spaces = [option_spaces(sweep, stage, workload) for stage in stages]
        searched = any(count(d) > 1 for each in spaces for space in each.values() for d in space.values())
        of_passes = any(stage.budget == "passes" for stage in stages)
        return searched or of_passes or any(each != spaces[0] for each in spaces)

    def _baselines(self, candidates: Sequence[tuple[Trial, Stage]]) -> list[Asked]:
        """Plain training under the settings of each candidate, since a pair must share them.

        If a candidate trained for a budget of passes, its baseline gets that budget.
        """
        found: dict[str, Asked] = {}
        for trial, stage in candidates:
            options = options_of(trial)
            if stage.budget == "passes":
                spaces = option_spaces(self.scope.sweep, stage, self.scope.workload)
                asked = spaces["training"].get("epochs", self.scope.defaults["training"]["epochs"])
                budget = int(budget_of(budgets_in(asked), trial.passes_in_all))
                options["training"] = {**trial.training, "epochs": budget}
            baseline = self.scope.trial("standard", {}, options, self._search.seeds[0])
            found.setdefault(baseline.identity.configuration, ("standard", {}, options))
        return list(found.values())

    def _candidates(self, before: Before) -> list[tuple[Trial, Stage]]:
        """The attacks' best configurations in the order of `Choice`, with the stages that asked for them."""
        select = self.scope.sweep.select
        choice = Choice()
        found: dict[str, tuple[Trial, Stage]] = {}
        by_name = {stage.name: stage for stage in self.scope.sweep.stages}
        for record in (r for records in before for r in records):
            stage = by_name[record.stage]
            race = stage.name if stage.races else None
            fresh = isinstance(stage.search, Confirm)
            if consider(choice, record, select, fresh=fresh, race=race) is not None:
                found.setdefault(record.identity.configuration, (record.trial, stage))
        attacks = (c for c in map(str, choice.order()) if found[c][0].computed["method"] != "standard")
        return [found[c] for c in itertools.islice(attacks, self._search.top)]


def control_of(trial: Trial, control: str) -> tuple[str, Mapping[str, Any]] | None:
    """Method and hyperparameters of a trial's control; ``None`` if its method has no such control.

    Plain training with as many passes is a control of every method. A method's own control keeps the method's
    other settings, which say what it is the control of.
    """
    own = trial.settings.ranges().get("control")
    if own is not None and control in (own.choices or ()):
        return trial.method, {**trial.hyperparameters, "control": control}
    if control not in (EQUAL_PASSES, SAME_UPDATES):
        return None
    updates = {"updates": SAME} if control == SAME_UPDATES else {}
    return "standard", {"rounds": trial.passes, **updates}


def options_of(trial: Trial) -> dict[str, Mapping[str, Any]]:
    """The settings with which a trial trained, as a confirmation takes them: it tests what it trains."""
    training = {**trial.training, "test": True}
    return {"training": training, "data": trial.data, "model": trial.model}
