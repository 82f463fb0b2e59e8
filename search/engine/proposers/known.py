"""What a search starts from: configurations that it tries first, and trials of other sweeps."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from analysis.choice import Choice
from dropattack import UsageError, canonical_targets, method_named
from dropattack.errors import unknown
from search.definition.searches import BestOf, Configuration, Papers, Sampling
from search.definition.space import Interval, values
from search.definition.sweep import SECTIONS
from search.engine.proposers.base import Proposal, Scope
from search.engine.proposers.combination import Given, dimensions, learned, outside, proposal_of
from search.records.choosing import consider
from search.records.record import Record
from trainables.trial import Trial

Recorded = Callable[[str], Sequence[Record]]
"""Returns the complete records of another sweep by its name."""


def enqueued(scope: Scope, search: Sampling, recorded: Recorded) -> list[Proposal]:
    """The combinations that a search tries first, in order.

    Raises:
        UsageError: One is outside of the stage's space, or excluded; the message names it.
    """
    found: list[Proposal] = []
    for number, start in enumerate(search.enqueue, 1):
        if isinstance(start, BestOf):
            several = [(f"the best of {start.best_of}", given) for given in _best(scope, start, recorded)]
        elif isinstance(start, Papers):
            several = [("the paper's best", given) for given in _published(scope, start)]
        else:
            several = [(f"entry {number}", _given(scope, start))]
        for what, given in several:
            if place := outside(scope, given):
                raise _outside(scope, given, what, place)
            proposal = proposal_of(scope, given)
            if scope.excludes(proposal.trial):
                raise _wrong(scope, f"{what} is one that the stage excludes; leave it out of one of them")
            found.append(proposal)
    return found


def known_trials(scope: Scope, search: Sampling, recorded: Recorded) -> tuple[list[FrozenTrial], list[str]]:
    """The usable trials of the sweeps in ``warm_start``, and a line for each of these sweeps."""
    found: list[FrozenTrial] = []
    lines = []
    for name in search.warm_start:
        records = [record for record in recorded(name) if record.trial.workload == scope.workload]
        results = [learned(scope, record) for record in records]
        used = [result for result in results if isinstance(result, FrozenTrial)]
        found += used
        count = f"{len(used)} of {len(records)} complete trials of {name}"
        line = f"stage {scope.stage.name!r} starts from {count}"
        why = Counter(result for result in results if isinstance(result, str))
        lines.append("; ".join([line, *(f"{count} are {reason}" for reason, count in why.most_common(3))]))
    return found, lines


def _given(scope: Scope, start: Configuration) -> Given:
    """A configuration of the user's, completed by defaults.

    Raises:
        UsageError: It names a method or setting that does not exist.
    """
    if start.method not in scope.stage.methods:
        raise _wrong(scope, str(unknown("method of this stage", start.method, scope.stage.methods)))
    default = method_named(start.method).settings_type().to_dict()
    complete = {start.method: default, **scope.defaults}
    named = {start.method: start.hyperparameters, **{name: getattr(start, name) for name in SECTIONS}}
    spaces = dimensions(scope, start.method)
    for owner, own in named.items():
        for name, value in own.items():
            if name not in complete[owner]:
                raise _wrong(scope, str(unknown(f"setting of {owner}", name, complete[owner])))
            if (owner, name) not in spaces and value != complete[owner][name]:
                place = f"{owner}.{name}"
                raise _wrong(
                    scope,
                    f"{place} is {value}, and the stage leaves it at {complete[owner][name]}; add {place} to "
                    "its space",
                )
    filled = _with_fixed(scope, Given(start.method, complete))
    for owner, own in named.items():
        filled[owner] |= {name: _spelt(name, value) for name, value in own.items()}
    return Given(start.method, filled, named)


def _with_fixed(scope: Scope, given: Given) -> dict[str, dict[str, Any]]:
    """The values of a combination, with those that the stage fixes in their place."""
    filled = {owner: dict(own) for owner, own in given.values.items()}
    for (owner, name), dimension in dimensions(scope, given.method).items():
        choices = [] if isinstance(dimension, Interval) else values(dimension)
        if len(choices) == 1:
            filled[owner][name] = choices[0]
    return filled


def _spelt(name: str, value: object) -> object:
    return canonical_targets(value) if name == "targets" and isinstance(value, str) else value


def _best(scope: Scope, start: BestOf, recorded: Recorded) -> list[Given]:
    """The attacks that validation chooses in another sweep, on this scope's workload."""
    choice, select = Choice(), scope.sweep.select
    trials: dict[str, Trial] = {}
    records = [record for record in recorded(start.best_of) if record.trial.workload == scope.workload]
    confirmed, raced = _confirmed_and_raced(records)
    for record in (record for record in records if not record.identity.control):
        if record.trial.computed["method"] == "standard" or select.column not in record.epochs[0]:
            continue
        race = record.stage if record.stage in raced else None
        if consider(choice, record, select, fresh=record.stage in confirmed, race=race) is not None:
            trials.setdefault(record.identity.configuration, record.trial)
    best = [Given.of(trials[str(c)]) for c in itertools.islice(choice.order(), start.top)]
    known = scope.stage.methods
    return [Given(g.method, _with_fixed(scope, g)) if g.method in known else g for g in best]


def _confirmed_and_raced(records: Sequence[Record]) -> tuple[set[str], set[str]]:
    """Which stages of another sweep confirmed, and in which of them candidates raced, from their records.

    A confirmation has none of the searched seeds. Draws of one search that have different numbers of seeds
    raced for them. A trial that no sampler drew has its seed among its params.
    """
    seeds: dict[str, dict[str, set[int]]] = {}
    for record in records:
        seeds.setdefault(record.stage, {}).setdefault(record.identity.configuration, set()).add(
            record.trial.seed
        )
    all_of = {stage: set().union(*own.values()) for stage, own in seeds.items()}
    searched = next(iter(all_of.values()), set())
    confirmed = {stage for stage, own in all_of.items() if not own & searched}
    drawn = {record.stage for record in records if record.params and "seed" not in record.params}
    uneven = {stage for stage, own in seeds.items() if len({len(each) for each in own.values()}) > 1}
    return confirmed, (drawn & uneven) - confirmed


def _published(scope: Scope, start: Papers) -> list[Given]:
    """The DropAttack paper's best settings for this scope's workload, with the stage's fixed values.

    Raises:
        UsageError: The paper has none for the workload.
    """
    from analysis.published import settings  # which takes pandas, slow to import

    found = settings.best_settings(scope.workload, start.papers)
    if not found:
        known = ", ".join(settings.workloads())
        raise _wrong(
            scope, f"the DropAttack paper has no settings for {scope.workload}; it has some for {known}"
        )
    method = settings.METHOD
    default = method_named(method).settings_type().to_dict()
    several = [{method: {**default, **own}, **scope.defaults} for own in found]
    if method not in scope.stage.methods:
        return [Given(method, values) for values in several]
    return [
        Given(method, _with_fixed(scope, Given(method, values)), {method: own})
        for own, values in zip(found, several, strict=True)
    ]


def _outside(scope: Scope, given: Given, what: str, place: str) -> UsageError:
    if place == "method":
        return _wrong(scope, f"{what} is of {given.method}, which is no method of the stage")
    owner, name = place.split(".", 1)
    value = given.values[owner][name]
    named = name in given.named.get(owner, {name: value})
    said = f"has {place} = {value}" if named else f"names no {place}, of which the default is {value}"
    return _wrong(scope, f"{what} {said}, outside of the stage's space; widen that, or change the entry")


def _wrong(scope: Scope, what: str) -> UsageError:
    return UsageError(f"stage {scope.stage.name!r}: search.enqueue: {what}")
