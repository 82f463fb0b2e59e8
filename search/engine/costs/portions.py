"""Divides what is left of a stage into portions of equal trials, with their number and their work."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from dropattack import UsageError
from search.definition.searches import Confirm
from search.definition.space import bounds
from search.definition.sweep import SECTIONS, Stage
from search.engine.corners import corners
from search.engine.costs.stopping import expected_share
from search.engine.proposers import Scope
from trainables.digest import digest
from trainables.trial import Trial

TIMED = ("batch_size", "precision", "optimizer", "accumulate", "augment", "average", "examples", "robustness")
"""Training settings that decide how long a pass or a test takes."""

_STANDARD = "standard"


@dataclass(frozen=True)
class Portion:
    """Trials that share all settings on which the time of a pass depends.

    Attributes:
        trial: One of them.
        trials: How many they are; the expected number if a sampler decides.
        epochs: Their epochs, summed over them.
        passes: Their forward-backward passes over their training examples, summed likewise.
    """

    trial: Trial
    trials: float
    epochs: float
    passes: float

    @property
    def kind(self) -> str:
        """Equal for portions that differ only in their methods, examples and epochs."""
        trial = self.trial
        timed = {name: trial.training.get(name) for name in TIMED}
        return digest(trial.workload, timed, dict(trial.data), dict(trial.model))


@dataclass
class _Sum:
    trial: Trial
    trials: float = 0
    epochs: float = 0
    passes: float = 0


def of_trials(trials: Iterable[Trial]) -> list[Portion]:
    """Portions of trials that are known one by one."""
    sums: dict[tuple[Any, ...], _Sum] = {}
    for trial in trials:
        found = sums.setdefault(_kind(trial), _Sum(trial))
        found.trials += 1
        found.epochs += trial.training_settings.epochs
        found.passes += trial.passes_in_all
    return [Portion(each.trial, each.trials, each.epochs, each.passes) for each in sums.values()]


def _kind(trial: Trial) -> tuple[Any, ...]:
    sections = (trial.training, trial.data, trial.model)
    return (trial.method, *(tuple(sorted(section.items())) for section in sections))


def of_search(scope: Scope, trials: float) -> list[Portion]:
    """Portions of so many trials of a stage that a sampler, or results, will decide.

    They are the trials at the corners of its space, as if all were drawn equally often; a confirmation has
    those of the stages before. Under ASHA they train the expected share.
    """
    if isinstance(scope.stage.search, Confirm):
        return _confirmed(scope, scope.stage.search, trials)
    share = expected_share(scope.stage.scheduler, round(trials), scope.epochs)
    drawn = list(_drawn(scope, scope.stage))
    return _shared(drawn, trials, share)


def _confirmed(scope: Scope, search: Confirm, trials: float) -> list[Portion]:
    """Portions of a confirmation: its baselines, and attacks with controls of the same cost."""
    earlier = takewhile(lambda stage: stage is not scope.stage, scope.sweep.stages)
    stages = [s for s in earlier if s.methods and scope.workload in scope.sweep.stage_workloads(s)]
    drawn = [trial for stage in stages for trial in _drawn(scope, stage)]
    attacks = [trial for trial in drawn if trial.method != _STANDARD] or drawn
    plain = [trial for trial in drawn if trial.method == _STANDARD]
    baselines = trials / (1 + search.top * (1 + len(search.controls))) if plain else 0.0
    return [*_shared(plain[:1], baselines), *_shared(attacks, trials - baselines)]


def _shared(drawn: Sequence[Trial], trials: float, share: float = 1.0) -> list[Portion]:
    """So many trials, each drawn one standing for an equal share."""
    each = trials / max(1, len(drawn))
    return [
        replace(p, trials=p.trials * each, epochs=p.epochs * each * share, passes=p.passes * each * share)
        for p in of_trials(drawn)
    ]


def _drawn(scope: Scope, stage: Stage) -> Iterator[Trial]:
    """Trials at the corners of a stage's space: of its methods', and at both ends of each other setting."""
    there = replace(scope, stage=stage)
    usual = {
        section: {name: bounds(dimension)[0] for name, dimension in there.spaces[section].items()}
        for section in SECTIONS
    }
    for method, spaces in stage.methods.items():
        for corner in (corner for space in spaces for corner in corners(space)):
            for options in _varied(there, usual):
                try:
                    yield there.trial(method, corner, options, scope.sweep.seeds[0])
                except UsageError:  # no trial may combine a corner's settings
                    continue


def _varied(scope: Scope, usual: dict[str, dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """The default options, then every bound of each searched option, one at a time."""
    yield usual
    for section in SECTIONS:
        for name, dimension in scope.spaces[section].items():
            for value in bounds(dimension)[1:]:
                yield {**usual, section: {**usual[section], name: value}}
