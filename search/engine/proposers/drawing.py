"""Draws from a space: an in-memory study of Optuna's that knows what a search has recorded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import BaseTrial, FrozenTrial, TrialState, create_trial

from dropattack import method_named
from search.definition.space import admits, sample
from search.definition.sweep import SECTIONS, Sampling
from search.engine.proposers.base import Proposal, Scope
from search.engine.proposers.candidates import Told
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


class Drawing:
    """Draws combinations with an Optuna sampler that knows what it is told of those before.

    A draw depends on what is told and on the number of draws alone: the sampler lives for one draw, seeded by
    how many came before, so that a rebuilt search goes on as the undisturbed one would have. A sampler that
    keeps its own state in a study (`STATEFUL`) draws all trials again where a search is rebuilt, each knowing
    what was told before it, and so comes to the state that it had; nothing of that state is stored. What it
    would not have drawn, because trials ran side by side, it learns as another's.

    Args:
        scope: What to draw for.
        search: The search's settings.
        known: Complete records of earlier sweeps that the sampler starts from.
    """

    def __init__(self, scope: Scope, search: Sampling, known: Sequence[Record]) -> None:
        self._scope, self._search = scope, search
        direction = StudyDirection.MAXIMIZE if scope.sweep.select.sign > 0 else StudyDirection.MINIMIZE
        with quiet_optuna():
            self.study = optuna.create_study(direction=direction, sampler=RandomSampler())
        self._numbers: list[int] = []
        self._known: list[FrozenTrial] = []
        for record in known:
            self._learn(record)

    def draw(self) -> Proposal | None:
        """The next draw, of which `follow` hears when it is recorded; none where all draws are excluded."""
        found = self._ask(len(self._numbers))
        if found is None:
            return None
        asked, trial = found
        self._numbers.append(asked.number)
        return Proposal(trial, *_stored(asked))

    def follow(self, number: int, record: Record) -> None:
        """Takes note of a search's draw of that number, which may be one that `draw` has not drawn here."""
        if number < len(self._numbers):
            return
        params, distributions = drawn(record)
        state: dict[str, Any] = {}
        if isinstance(self._search.drawn_by, STATEFUL):
            found = self._ask(number)
            if found is not None:
                asked, _ = found
                if asked.params == params:
                    self._numbers.append(asked.number)
                    return
                state = self.study.get_trials(deepcopy=False)[asked.number].system_attrs
                self.study.tell(asked, state=TrialState.FAIL)
        self._numbers.append(len(self.study.get_trials(deepcopy=False)))
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=params, distributions=distributions, system_attrs=state
            )
        )

    def tell(self, told: Told) -> None:
        """Tells the sampler how a draw ended."""
        frozen = self.study.get_trials(deepcopy=False)[self._numbers[told.candidate]]
        trial = optuna.Trial(self.study, frozen._trial_id)
        for metrics in told.record.epochs:
            trial.report(metrics[self._scope.sweep.select.column], int(metrics["epoch"]))
        self.study.tell(trial, told.value, _OPTUNA_STATES[told.state])

    def _ask(self, drawn_before: int) -> tuple[optuna.Trial, Trial] | None:
        """What the sampler draws next, in the study and as a trial; excluded draws fail in the study."""
        for attempt in range(_DRAWS):
            self.study.sampler = self._sampler(drawn_before, attempt)
            with quiet_optuna(optuna.logging.ERROR):
                asked = self.study.ask()
            trial = self._trial(asked)
            if not self._scope.excludes(trial):
                return asked, trial
            self.study.tell(asked, state=TrialState.FAIL)
        return None

    def _trial(self, asked: BaseTrial) -> Trial:
        stage = self._scope.stage
        names = list(stage.methods)
        method = names[0] if len(names) == 1 else asked.suggest_categorical("method", names)
        (space,) = stage.methods[method]
        defaults = method_named(method).settings_type().to_dict()
        hyperparameters = sample(asked, space, f"{method}.", defaults)
        options = {
            section: sample(asked, space, f"{section}.", self._scope.defaults[section])
            for section, space in self._scope.spaces.items()
        }
        return self._scope.trial(method, hyperparameters, options, self._scope.sweep.seeds[0])

    def _sampler(self, drawn_before: int, attempt: int) -> BaseSampler:
        name, chosen = self._scope.stage.name, self._search.sampler_seed
        seed = int(digest(chosen, name, drawn_before, attempt), 16) % 2**32
        if attempt >= _MODEL_DRAWS:
            return RandomSampler(seed=seed)
        return sampler_for(self._search.drawn_by, seed, chosen % 2**32, self._known)

    def _learn(self, record: Record) -> None:
        """Adds an earlier sweep's record, where this scope could have drawn it with all it leaves fixed."""
        trial = record.trial
        spaces = self._scope.stage.methods.get(trial.method)
        if spaces is None:
            return
        given = [(f"{trial.method}.", spaces[0], trial.settings.to_dict())]
        settings = (trial.training_settings, trial.data_settings, trial.architecture)
        for section, own in zip(SECTIONS, settings, strict=True):
            given.append((f"{section}.", self._scope.spaces[section], own.to_dict()))
        if not all(admits(d, values[n]) for _, space, values in given for n, d in space.items()):
            return
        chosen = {prefix + name: values[name] for prefix, space, values in given for name in space}
        if len(self._scope.stage.methods) > 1:
            chosen["method"] = trial.method
        fixed = optuna.trial.FixedTrial(chosen)
        if replace(self._trial(fixed), seed=trial.seed).spelling != trial.spelling:
            return
        value, all_of_them = record.value(self._scope.sweep.select), fixed.distributions
        self.study.add_trial(create_trial(value=value, params=fixed.params, distributions=all_of_them))
        free = {name: distribution for name, distribution in all_of_them.items() if not distribution.single()}
        params = {name: fixed.params[name] for name in free}
        self._known.append(create_trial(value=value, params=params, distributions=free))


def _stored(asked: BaseTrial) -> tuple[dict[str, float], dict[str, str]]:
    """What was drawn, and what from, as a record holds them."""
    distributions = asked.distributions
    params = {name: distributions[name].to_internal_repr(value) for name, value in asked.params.items()}
    return params, {name: distribution_to_json(d) for name, d in distributions.items()}
