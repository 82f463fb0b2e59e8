"""A combination of a stage's space: as a sampler's draw, as a study's trial, and as a trial to train."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, create_trial

from dropattack import method_named
from search.definition.space import Dimension, admits, sample
from search.definition.sweep import SECTIONS
from search.engine.proposers.base import Proposal, Scope
from search.records.optuna_log import objectives
from search.records.record import Record
from trainables.trial import Trial


@dataclass(frozen=True)
class Given:
    """A combination that was not drawn here.

    Attributes:
        method: Its method.
        values: The method's settings under its name, and those of each of `SECTIONS`, all complete.
        named: Those of the settings that somebody asked for; the others are defaults.
    """

    method: str
    values: Mapping[str, Mapping[str, Any]]
    named: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, trial: Trial) -> "Given":
        """The combination with which a trial was trained."""
        settings = (trial.training_settings, trial.data_settings, trial.architecture)
        values = {section: own.to_dict() for section, own in zip(SECTIONS, settings, strict=True)}
        return cls(trial.method, {trial.method: trial.settings.to_dict(), **values})


def trial_of(scope: Scope, asked: BaseTrial) -> Trial:
    """The trial of a draw, with the sweep's first seed; draws what is not drawn yet."""
    stage = scope.stage
    names = list(stage.methods)
    method = names[0] if len(names) == 1 else asked.suggest_categorical("method", names)
    (space,) = stage.methods[method]
    defaults = method_named(method).settings_type().to_dict()
    hyperparameters = sample(asked, space, f"{method}.", defaults)
    options = {
        section: sample(asked, space, f"{section}.", scope.defaults[section])
        for section, space in scope.spaces.items()
    }
    return scope.trial(method, hyperparameters, options, scope.sweep.seeds[0])


def as_stored(asked: BaseTrial) -> tuple[dict[str, float], dict[str, str]]:
    """The drawn values and their distributions, as a record holds them."""
    distributions = asked.distributions
    params = {name: distributions[name].to_internal_repr(value) for name, value in asked.params.items()}
    return params, {name: distribution_to_json(d) for name, d in distributions.items()}


def dimensions(scope: Scope, method: str) -> dict[tuple[str, str], Dimension]:
    """What a stage sets or searches for one of its methods, by owner (the method or a section) and name."""
    (space,) = scope.stage.methods[method]
    spaces = {method: space, **scope.spaces}
    return {(owner, name): dimension for owner, own in spaces.items() for name, dimension in own.items()}


def outside(scope: Scope, given: Given) -> str:
    """The dimension that puts a combination outside a space, such as ``dropattack.epsilon``; or nothing."""
    if given.method not in scope.stage.methods:
        return "method"
    found = dimensions(scope, given.method).items()
    return next((f"{o}.{n}" for (o, n), dimension in found if not admits(dimension, given.values[o][n])), "")


def fixed(scope: Scope, given: Given) -> tuple[FixedTrial, Trial]:
    """A combination of a stage's space as a study has it, and as a trial."""
    chosen = {f"{owner}.{name}": given.values[owner][name] for owner, name in dimensions(scope, given.method)}
    if len(scope.stage.methods) > 1:
        chosen["method"] = given.method
    asked = FixedTrial(chosen)
    return asked, trial_of(scope, asked)


def proposal_of(scope: Scope, given: Given) -> Proposal:
    """A combination of a stage's space, as if the sampler had drawn it."""
    asked, trial = fixed(scope, given)
    return Proposal(trial, *as_stored(asked))


def learned(scope: Scope, record: Record) -> FrozenTrial | str:
    """An earlier sweep's record as a trial of this scope's study.

    A scope learns only from combinations that it could have drawn, with the same fixed settings.

    Returns:
        The trial, or in words why the scope cannot use it.
    """
    given = Given.of(record.trial)
    if given.method not in scope.stage.methods:
        return f"of method {given.method}"
    if place := outside(scope, given):
        return f"outside of the space in {place}"
    asked, trial = fixed(scope, given)
    if replace(trial, seed=record.trial.seed).spelling != record.trial.spelling:
        return f"with another {_differing(trial, record.trial)}, which is fixed here"
    values = objectives(record, scope.sweep.select)
    if values is None:
        return "without a value of every metric of select.metrics"
    return create_trial(values=values, params=asked.params, distributions=asked.distributions)


def free(trial: FrozenTrial) -> FrozenTrial:
    """A trial's parameters without those that have one value only."""
    distributions: dict[str, BaseDistribution] = {
        name: distribution for name, distribution in trial.distributions.items() if not distribution.single()
    }
    params = {name: trial.params[name] for name in distributions}
    return create_trial(values=trial.values, params=params, distributions=distributions)


def _differing(trial: Trial, other: Trial) -> str:
    """The first setting in which two trials of one method differ; else code, data or version."""
    parts = [(trial.method, trial.hyperparameters, other.hyperparameters)]
    parts += [(section, getattr(trial, section), getattr(other, section)) for section in SECTIONS]
    for owner, own, others in parts:
        for name in own:
            if own[name] != others.get(name):
                return f"{owner}.{name}"
    return "version of the code or the data"
