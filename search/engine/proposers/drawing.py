"""Draws from a space: an in-memory study of Optuna's that knows what a search has recorded."""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.definition.searches import Sampling
from search.engine.proposers.base import Proposal, Scope
from search.engine.proposers.candidates import Told
from search.engine.proposers.combination import as_stored, free, trial_of
from search.engine.proposers.samplers import STATEFUL, sampler_for
from search.records.optuna_log import directions, drawn, quiet_optuna
from search.records.record import Record, State
from trainables.digest import digest
from trainables.trial import Trial

_OPTUNA_STATES = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}

_MODEL_DRAWS, _DRAWS = 10, 1000
"""After how many excluded draws in a row draws become random, and after how many drawing ends."""


class Drawing:
    """Draws combinations with an Optuna sampler, which learns the results of earlier ones.

    A draw depends only on the told results and on the number of draws. Each draw has a sampler of its own,
    seeded by how many draws came before, so that a rebuilt search goes on as the undisturbed one would have.
    A sampler that keeps its own state in a study (`STATEFUL`) draws all trials again in a rebuilt search,
    each with the results told before it, and so reaches its former state; none of that state is stored. A
    trial that it would draw otherwise, because trials ran side by side, counts as another's.

    Args:
        scope: What to draw for.
        search: The search's settings.
        known: Trials of earlier sweeps that the sampler starts from.
        enqueued: Draws that come first, whatever the sampler would draw.
    """

    def __init__(
        self, scope: Scope, search: Sampling, known: Sequence[FrozenTrial], enqueued: Sequence[Proposal]
    ) -> None:
        self._scope, self._search = scope, search
        with quiet_optuna():
            self.study = optuna.create_study(
                directions=directions(scope.sweep.select), sampler=RandomSampler()
            )
        self._numbers: list[int] = []
        self._known = known
        self._enqueued = enqueued
        for trial in known:
            self.study.add_trial(trial)

    def draw(self) -> Proposal | None:
        """The next draw, which `follow` takes when it is recorded; ``None`` if all draws are excluded."""
        if len(self._numbers) < len(self._enqueued):
            proposal = self._enqueued[len(self._numbers)]
            params, distributions = drawn(proposal)
            self._add(params, distributions, {})
            return proposal
        found = self._ask(len(self._numbers))
        if found is None:
            return None
        asked, trial = found
        self._numbers.append(asked.number)
        return Proposal(trial, *as_stored(asked))

    def follow(self, number: int, record: Record) -> None:
        """Takes a recorded draw of that number, which `draw` may not have drawn here."""
        if number < len(self._numbers):
            return
        params, distributions = drawn(record)
        state: dict[str, Any] = {}
        if isinstance(self._search.drawn_by, STATEFUL) and number >= len(self._enqueued):
            found = self._ask(number)
            if found is not None:
                asked, _ = found
                if asked.params == params:
                    self._numbers.append(asked.number)
                    return
                state = self.study.get_trials(deepcopy=False)[asked.number].system_attrs
                self.study.tell(asked, state=TrialState.FAIL)
        self._add(params, distributions, state)

    def tell(self, told: Told) -> None:
        """Tells the sampler how a draw ended.

        With one metric, the sampler also learns every epoch, and so how far a stopped draw came. With
        several, Optuna takes no epochs: a stopped draw has no values.
        """
        frozen = self.study.get_trials(deepcopy=False)[self._numbers[told.candidate]]
        trial = optuna.Trial(self.study, frozen._trial_id)
        select = self._scope.sweep.select
        for metrics in () if select.several else told.record.epochs:
            trial.report(metrics[select.column], int(metrics["epoch"]))
        self.study.tell(trial, told.values, _OPTUNA_STATES[told.state])

    def _add(
        self, params: dict[str, Any], distributions: dict[str, BaseDistribution], state: dict[str, Any]
    ) -> None:
        """Adds a draw to the study that this sampler did not make."""
        self._numbers.append(len(self.study.get_trials(deepcopy=False)))
        self.study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=params, distributions=distributions, system_attrs=state
            )
        )

    def _ask(self, drawn_before: int) -> tuple[optuna.Trial, Trial] | None:
        """The sampler's next draw, in the study and as a trial; excluded draws fail in the study."""
        for attempt in range(_DRAWS):
            self.study.sampler = self._sampler(drawn_before, attempt)
            with quiet_optuna(optuna.logging.ERROR):
                asked = self.study.ask()
            trial = trial_of(self._scope, asked)
            if not self._scope.excludes(trial):
                return asked, trial
            self.study.tell(asked, state=TrialState.FAIL)
        return None

    def _sampler(self, drawn_before: int, attempt: int) -> BaseSampler:
        name, chosen = self._scope.stage.name, self._search.sampler_seed
        seed = int(digest(chosen, name, drawn_before, attempt), 16) % 2**32
        if attempt >= _MODEL_DRAWS:
            return RandomSampler(seed=seed)
        return sampler_for(self._search.drawn_by, seed, chosen % 2**32, list(map(free, self._known)))
