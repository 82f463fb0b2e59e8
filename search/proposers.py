"""Which trial comes next: one proposer for each kind of search, all rebuilt from the records alone."""

import itertools
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from dropattack import Settings, method_named
from search.journal import quiet_optuna
from search.record import Record, State
from search.space import bounds, grid, sample
from search.sweep import Confirm, Grid, Sampling, Select, Stage, Sweep
from trainables.cache import digest
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

_OPTUNA_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}


@dataclass(frozen=True)
class Proposal:
    """A trial to run, and what a sampler drew to get there."""

    trial: Trial
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """One stage of one workload: what a proposer proposes for."""

    sweep: Sweep
    stage: Stage
    workload: str
    checksum: str

    @property
    def epochs(self) -> int:
        """The full budget of a trial, the largest where a grid has several."""
        training = {**self._default_training, **self.sweep.stage_training(self.stage)}
        return max(int(value) for value in bounds(training["epochs"]))

    @property
    def _default_training(self) -> dict[str, Any]:
        return workload_named(self.workload).training.to_dict()

    def trial(
        self, method: str, hyperparameters: Mapping[str, Any], training: Mapping[str, Any], seed: int
    ) -> Trial:
        """A trial of this scope."""
        settings = TrainingSettings.from_dict({**self._default_training, **training})
        return Trial.make(self.workload, method, hyperparameters, settings, seed, self.checksum)


Before = list[list[Record]]
"""The records of the stages before, stage by stage, of the same workload."""


class Proposer(ABC):
    """Proposes the trials of one scope, given the records of that scope so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @property
    @abstractmethod
    def total(self) -> int:
        """How many trials the scope has when it is done."""

    @abstractmethod
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        """The next trial, or none where there is none (now).

        Args:
            records: All of this scope, in order.
            before: Those of the stages before.
        """

    def ready(self, before: Before) -> bool:
        """Whether this proposer may start, given the records of the stages before."""
        return True


class GridProposer(Proposer):
    """Every combination for the first seed, then for the next."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._trials = {trial.key: trial for trial in grid_trials(scope)}
        self._left = iter(self._trials.items())

    @property
    def total(self) -> int:
        """See `Proposer.total`."""
        return len(self._trials)

    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        """See `Proposer.propose`."""
        known = {record.key for record in records}
        return next((Proposal(trial) for key, trial in self._left if key not in known), None)


def grid_trials(scope: Scope) -> Iterator[Trial]:
    """All trials of a grid, seed by seed."""
    for seed in scope.sweep.seeds:
        for method, space in scope.stage.methods.items():
            for training in grid(scope.sweep.stage_training(scope.stage)):
                for hyperparameters in grid(space):
                    yield scope.trial(method, hyperparameters, training, seed)


class SamplingProposer(Proposer):
    """Draws from the space with an Optuna sampler that knows all records of the scope.

    The draw depends on those records and on their number alone: the sampler lives for one draw, seeded by how
    many came before, so that a rebuilt search goes on as the undisturbed one would have.
    """

    def __init__(self, scope: Scope, search: Sampling) -> None:
        super().__init__(scope)
        self._search = search
        direction = StudyDirection.MAXIMIZE if scope.sweep.select.sign > 0 else StudyDirection.MINIMIZE
        with quiet_optuna():
            self._study = optuna.create_study(direction=direction, sampler=RandomSampler())
        self._told: set[int] = set()

    @property
    def total(self) -> int:
        """See `Proposer.total`."""
        return self._search.trials

    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        """See `Proposer.propose`."""
        if len(records) >= self._search.trials:
            return None
        self._mirror(records)
        self._study.sampler = self._sampler(len(records))
        drawn = self._study.ask()
        method = self._choose_method(drawn)
        stage = self.scope.stage
        whole = _whole(method_named(method).settings_type)
        hyperparameters = sample(drawn, stage.methods[method], f"{method}.", whole)
        training = sample(
            drawn, self.scope.sweep.stage_training(stage), "training.", _whole(TrainingSettings)
        )
        trial = self.scope.trial(method, hyperparameters, training, self.scope.sweep.seeds[0])
        return Proposal(trial, drawn.params, drawn.distributions)

    def _choose_method(self, drawn: optuna.Trial) -> str:
        names = list(self.scope.stage.methods)
        return names[0] if len(names) == 1 else drawn.suggest_categorical("method", names)

    def _sampler(self, drawn_before: int) -> BaseSampler:
        seed = int(digest(self._search.sampler_seed, self.scope.stage.name, drawn_before), 16) % 2**32
        if self._search.kind == "random":
            return RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)

    def _mirror(self, records: list[Record]) -> None:
        """Brings the in-memory study that samplers read up to the records."""
        select = self.scope.sweep.select
        for record in records[len(self._study.get_trials(deepcopy=False)) :]:
            self._study.add_trial(
                create_trial(
                    state=TrialState.RUNNING,
                    params=dict(record.params),
                    distributions=dict(record.distributions),
                )
            )
        mirrored = self._study.get_trials(deepcopy=False)
        for index, record in enumerate(records):
            if record.finished and index not in self._told:
                self._told.add(index)
                trial = optuna.Trial(self._study, mirrored[index]._trial_id)
                for metrics in record.epochs:
                    trial.report(metrics[select.column], int(metrics["epoch"]))
                state = _OPTUNA_STATES[record.state]
                self._study.tell(trial, record.value(select) if state is TrialState.COMPLETE else None, state)


class ConfirmProposer(Proposer):
    """The best configurations of the stages before, beside the baseline, on fresh seeds."""

    def __init__(self, scope: Scope, search: Confirm) -> None:
        super().__init__(scope)
        self._search = search

    @property
    def total(self) -> int:
        """See `Proposer.total`."""
        return (self._search.top + 1) * len(self._search.seeds)

    def ready(self, before: Before) -> bool:
        """Only when all stages before are done can the best be known."""
        return all(record.finished for records in before for record in records)

    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        """See `Proposer.propose`."""
        known = {record.key for record in records}
        for seed, trial in itertools.product(self._search.seeds, self._candidates(before)):
            confirmed = self.scope.trial(trial.method, trial.hyperparameters, trial.training, seed)
            if confirmed.key not in known:
                return Proposal(confirmed)
        return None

    def _candidates(self, before: Before) -> list[Trial]:
        """Best configurations by their mean over seeds, and the baseline with the first one's training."""
        select = self.scope.sweep.select
        values: dict[str, list[float]] = {}
        trials: dict[str, Trial] = {}
        complete = {r.key: r for records in before for r in records if r.state is State.COMPLETE}
        for record in complete.values():
            configuration = digest(record.trial.to_dict() | {"seed": None})
            trials.setdefault(configuration, record.trial)
            values.setdefault(configuration, []).append(select.sign * _value(record, select))
        attacks = [c for c in trials if trials[c].method != "standard"]
        best = sorted(attacks, key=lambda c: -sum(values[c]) / len(values[c]))[: self._search.top]
        if not best:
            return []
        first = trials[best[0]]
        baseline = self.scope.trial("standard", {}, first.training, first.seed)
        return [baseline, *(trials[c] for c in best)]


def proposer_for(scope: Scope) -> Proposer:
    """The proposer that a stage's search asks for."""
    search = scope.stage.search
    if isinstance(search, Grid):
        return GridProposer(scope)
    if isinstance(search, Sampling):
        return SamplingProposer(scope, search)
    return ConfirmProposer(scope, search)


def _value(record: Record, select: Select) -> float:
    value = record.value(select)
    assert value is not None, "a complete trial has at least one epoch"
    return value


def _whole(settings: type[Settings]) -> dict[str, bool]:
    """Which settings are whole numbers."""
    defaults = settings().to_dict()
    return {name: isinstance(value, int) and not isinstance(value, bool) for name, value in defaults.items()}
