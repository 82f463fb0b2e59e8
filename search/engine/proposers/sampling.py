"""Searches that draw from a space with a sampler of Optuna's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import BaseTrial, FrozenTrial, TrialState, create_trial
from typing_extensions import override

from dropattack import method_named
from search.definition.space import admits, sample
from search.definition.sweep import SECTIONS, Sampling
from search.engine.proposers.base import Before, Proposal, Proposer, Scope
from search.engine.proposers.samplers import STATEFUL, sampler_for
from search.records.optuna_log import drawn, quiet_optuna
from search.records.record import Record, State
from trainables.digest import digest
from trainables.trial import Trial

_OPTUNA_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}


_MODEL_DRAWS, _DRAWS = 10, 1000
"""How many excluded draws in a row are borne from the model, which may insist, and before giving up."""


class SamplingProposer(Proposer):
    """Draws from the space with an Optuna sampler that knows all records of the scope.

    The draw depends on those records and on their number alone: the sampler lives for one draw, seeded by how
    many came before, so that a rebuilt search goes on as the undisturbed one would have. A sampler that keeps
    its own state in a study (`STATEFUL`) draws all trials again where a search is rebuilt, each knowing those
    before it, and so comes to the state that it had; nothing of that state is stored. What it would not have
    drawn, because trials ran side by side, it learns as another's.

    Args:
        scope: What to propose for.
        search: The search's settings.
        known: Complete records of earlier sweeps that the sampler starts from.
    """

    def __init__(self, scope: Scope, search: Sampling, known: Sequence[Record] = ()) -> None:
        super().__init__(scope)
        self._search = search
        direction = StudyDirection.MAXIMIZE if scope.sweep.select.sign > 0 else StudyDirection.MINIMIZE
        with quiet_optuna():
            self._study = optuna.create_study(direction=direction, sampler=RandomSampler())
        self._mirrored: list[int] = []
        self._untold: list[int] = []
        self._known: list[FrozenTrial] = []
        for record in known:
            self._learn(record)

    @property
    @override
    def total(self) -> int:
        return self._search.trials

    @override
    def propose(self, records: list[Record], before: Before) -> Proposal | None:
        if len(records) >= self._search.trials or self._stale(records):
            return None
        self._mirror(records)
        found = self._draw(len(records))
        if found is None:
            return None
        asked, trial = found
        self._mirrors(asked.number)
        return Proposal(trial, *_stored(asked))

    def _draw(self, drawn_before: int) -> tuple[optuna.Trial, Trial] | None:
        """What the sampler draws next, in the study and as a trial; excluded draws fail in the study."""
        for attempt in range(_DRAWS):
            self._study.sampler = self._sampler(drawn_before, attempt)
            with quiet_optuna(optuna.logging.ERROR):
                asked = self._study.ask()
            trial = self._trial(asked)
            if not self.scope.excludes(trial):
                return asked, trial
            self._study.tell(asked, state=TrialState.FAIL)
        return None

    @override
    def ended(self, records: list[Record]) -> bool:
        """See `Proposer.ended`; what is still being trained may be better than what patience waited for."""
        return not self._stale(records) or all(record.finished for record in records)

    def _stale(self, records: list[Record]) -> bool:
        """Whether the last ``patience`` finished trials brought nothing better."""
        patience, select = self._search.patience, self.scope.sweep.select
        if patience is None:
            return False
        finished = [r.value(select) for r in records if r.state in (State.COMPLETE, State.PRUNED)]
        values = [select.sign * value for value in finished if value is not None]
        return len(values) - _first_best(values) >= patience

    def _trial(self, asked: BaseTrial) -> Trial:
        stage = self.scope.stage
        names = list(stage.methods)
        method = names[0] if len(names) == 1 else asked.suggest_categorical("method", names)
        (space,) = stage.methods[method]
        defaults = method_named(method).settings_type().to_dict()
        hyperparameters = sample(asked, space, f"{method}.", defaults)
        options = {
            section: sample(asked, space, f"{section}.", self.scope.defaults[section])
            for section, space in self.scope.spaces.items()
        }
        return self.scope.trial(method, hyperparameters, options, self.scope.sweep.seeds[0])

    def _sampler(self, drawn_before: int, attempt: int) -> BaseSampler:
        name, chosen = self.scope.stage.name, self._search.sampler_seed
        seed = int(digest(chosen, name, drawn_before, attempt), 16) % 2**32
        if attempt >= _MODEL_DRAWS:
            return RandomSampler(seed=seed)
        return sampler_for(self._search.drawn_by, seed, chosen % 2**32, self._known)

    def _mirror(self, records: list[Record]) -> None:
        """Brings the in-memory study that samplers read up to the records."""
        stateful = isinstance(self._search.drawn_by, STATEFUL)
        for number in range(len(self._mirrored), len(records)):
            params, distributions = drawn(records[number])
            state: dict[str, Any] = {}
            if stateful:
                self._tell(records[:number])
                found = self._draw(number)
                if found is not None:
                    asked, _ = found
                    if asked.params == params:
                        self._mirrors(asked.number)
                        continue
                    state = self._study.get_trials(deepcopy=False)[asked.number].system_attrs
                    self._study.tell(asked, state=TrialState.FAIL)
            self._mirrors(len(self._study.get_trials(deepcopy=False)))
            self._study.add_trial(
                create_trial(
                    state=TrialState.RUNNING, params=params, distributions=distributions, system_attrs=state
                )
            )
        self._tell(records)

    def _tell(self, records: list[Record]) -> None:
        """Tells the study of records that have finished since."""
        select = self.scope.sweep.select
        trials = self._study.get_trials(deepcopy=False)
        for index in [index for index in self._untold if records[index].finished]:
            record = records[index]
            trial = optuna.Trial(self._study, trials[self._mirrored[index]]._trial_id)
            for metrics in record.epochs:
                trial.report(metrics[select.column], int(metrics["epoch"]))
            state = _OPTUNA_STATES[record.state]
            value = record.value(select) if state is TrialState.COMPLETE else None
            self._study.tell(trial, value, state)
            self._untold.remove(index)

    def _mirrors(self, number: int) -> None:
        """Takes note that the study's trial of that number stands for the next record."""
        self._untold.append(len(self._mirrored))
        self._mirrored.append(number)

    def _learn(self, record: Record) -> None:
        """Adds an earlier sweep's record, where this scope could have drawn it with all it leaves fixed."""
        trial = record.trial
        spaces = self.scope.stage.methods.get(trial.method)
        if spaces is None:
            return
        given = [(f"{trial.method}.", spaces[0], trial.settings.to_dict())]
        settings = (trial.training_settings, trial.data_settings, trial.architecture)
        for section, own in zip(SECTIONS, settings, strict=True):
            given.append((f"{section}.", self.scope.spaces[section], own.to_dict()))
        if not all(admits(d, values[n]) for _, space, values in given for n, d in space.items()):
            return
        chosen = {prefix + name: values[name] for prefix, space, values in given for name in space}
        if len(self.scope.stage.methods) > 1:
            chosen["method"] = trial.method
        fixed = optuna.trial.FixedTrial(chosen)
        if replace(self._trial(fixed), seed=trial.seed).spelling != trial.spelling:
            return
        value, all_of_them = record.value(self.scope.sweep.select), fixed.distributions
        self._study.add_trial(create_trial(value=value, params=fixed.params, distributions=all_of_them))
        free = {name: distribution for name, distribution in all_of_them.items() if not distribution.single()}
        params = {name: fixed.params[name] for name in free}
        self._known.append(create_trial(value=value, params=params, distributions=free))


def _stored(asked: BaseTrial) -> tuple[dict[str, float], dict[str, str]]:
    """What was drawn, and what from, as a record holds them."""
    distributions = asked.distributions
    params = {name: distributions[name].to_internal_repr(value) for name, value in asked.params.items()}
    return params, {name: distribution_to_json(d) for name, d in distributions.items()}


def _first_best(values: Sequence[float]) -> int:
    """Position of the best value, counted from 1; the number of values where there are none."""
    return values.index(max(values)) + 1 if values else 0
