"""Checks what a sweep's schema cannot: that names exist, and that values make sense together."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from dropattack import Settings, UsageError, method_named
from dropattack.errors import unknown
from search.definition.aims import check_aims
from search.definition.confirming import check_confirmation
from search.definition.options import default_options, option_spaces
from search.definition.sampling import check_sampling
from search.definition.searches import Confirm, Grid, Sampling, Search
from search.definition.size import check_options, check_size
from search.definition.space import Interval, Scalar, Space, bounds, combinations, witnesses
from search.definition.sweep import SECTIONS, Stage, Sweep
from search.definition.yamlfile import SUFFIXES
from trainables.architecture import Architecture
from trainables.recipe.settings import TrainingSettings
from trainables.training.compiled import check_compilable
from trainables.workload import Workload
from trainables.workloads import workload_named

_TOGETHER = ("examples", "robustness", "augment", "optimizer", "momentum", "nesterov")
"""Settings of training that are valid, or not, only together and with the workload."""
_ALONE = ("balanced", "label_smoothing", "split")
"""Settings whose validity depends on the workload alone."""
_MOST_LOOKED_AT = 4096
"""The most combinations of a space that are checked; a trial of an unchecked one may fail, with one line."""


def check_meaning(sweep: Sweep) -> None:
    """Raises a `UsageError` for unknown names, values out of range, and what nobody could wait for."""
    if Path(sweep.name).suffix in SUFFIXES:
        raise UsageError(
            f"name {sweep.name!r} ends like a file's, and commands would look for that file; rename it"
        )
    for name in sweep.workloads:
        workload_named(name)
    for index, stage in enumerate(sweep.stages):
        try:
            _check_stage(sweep, stage, index)
        except UsageError as error:
            raise UsageError(f"{_place(sweep, stage, str(error))}: {error}") from None


def _place(sweep: Sweep, stage: Stage, wrong: str) -> str:
    """Where a mistake was written that shows in a stage: the stage, or the keys that all stages share.

    It is in the latter if plain training in place of all that the stage sets of its own has the same mistake.
    """
    search = Sampling(kind="random", trials=1) if isinstance(stage.search, Sampling) else Grid()
    known = tuple(name for name in stage.workloads if name in sweep.workloads)
    shared = Stage(name=stage.name, workloads=known, search=search, methods={"standard": ({},)})
    try:
        _check_stage(sweep, shared, 0)
    except UsageError as error:
        if str(error) == wrong:
            return "top level"
    return f"stage {stage.name!r}"


def _check_stage(sweep: Sweep, stage: Stage, index: int) -> None:
    if isinstance(stage.search, Confirm):
        check_confirmation(sweep, stage, stage.search, sweep.stages[:index])
    elif not stage.methods:
        raise UsageError("its space is empty: name at least one method under `methods`")
    for name in stage.workloads:
        if name not in sweep.workloads:
            raise unknown("workload of this sweep", name, sweep.workloads)
    for section in SECTIONS:
        known = dict.fromkeys(n for name in sweep.workloads for n in default_options(name)[section])
        for name in sweep.section(stage, section):
            if name not in known:
                raise unknown(f"{section} option", name, known)
    check_options(sweep, stage)
    check_aims(sweep, stage)
    if "best_by" in sweep.section(stage, "training"):
        raise UsageError("training.best_by is what the sweep selects by; set select.metric")
    for workload in map(workload_named, sweep.stage_workloads(stage)):
        training, data, model = option_spaces(sweep, stage, workload.name).values()
        selecting = {"best_by": sweep.select.metric}
        _check_steps(model, workload.model_settings(), "model")
        _check_space(workload.model_settings, model, stage.search, "model")
        _check_steps(training, workload.training, "training")
        _check_space(TrainingSettings.from_dict, training, stage.search, "training")
        for name, value in ((n, v) for n in _ALONE if n in training for v in bounds(training[n])):
            workload.check_training(
                TrainingSettings.from_dict({**workload.training.to_dict(), name: value, **selecting})
            )
        together = {n: bounds(d) for n, d in training.items() if n in _TOGETHER}
        for values in itertools.product(*together.values()):
            settings = dict(zip(together, values, strict=True))
            whole = TrainingSettings.from_dict({**workload.training.to_dict(), **settings, **selecting})
            for architecture in _models(workload, model, data):
                workload.check_training(whole, architecture)
        _check_steps(data, workload.data_settings(), "data")
        _check_space(workload.data_settings, data, stage.search, "data")
        for name, spaces in stage.methods.items():
            if sweep.resources.compile:
                check_compilable(name)
            if not spaces:
                raise UsageError(f"the space of {name} is empty; give it a mapping, {{}} for its defaults")
            if isinstance(stage.search, Sampling) and len(spaces) > 1:
                raise UsageError(f"{name} has {len(spaces)} spaces; a search that samples takes one")
            for space in spaces:
                _check_steps(space, method_named(name).settings_type(), name)
                batches = bounds(training.get("accumulate", workload.training.accumulate))
                _check_accumulation(name, space, max(map(float, batches)))
                for architecture in _models(workload, model, data):
                    make = partial(workload.method_settings, name, model=architecture)
                    make({})
                    _check_space(make, space, stage.search, name)
    check_size(sweep, stage)
    if stage.scheduler is not None and len(bounds(sweep.section(stage, "training").get("epochs", 1))) > 1:
        raise UsageError("asha needs one number of training.epochs, not several")
    _check_exclusions(sweep, stage)
    check_sampling(sweep, stage)


def _models(workload: Workload, model: Space, data: Space) -> Iterator[Architecture]:
    """The models at the bounds of both spaces."""
    for options, of_data in itertools.product(combinations(model), combinations(data)):
        yield workload.model_settings(options, of_data)


def _check_accumulation(method: str, space: Space, batches: float) -> None:
    """Refuses updates over several batches with a method that makes its own updates."""
    if batches <= 1:
        return
    kind = method_named(method)
    choices = itertools.product(*[bounds(dimension) for dimension in space.values()])
    for values in itertools.islice(choices, _MOST_LOOKED_AT):
        if not kind.accumulates(kind.settings_type.from_dict(dict(zip(space, values, strict=True)))):
            raise UsageError(
                f"training.accumulate: {method} makes its own updates from batch to batch; set it to 1, or "
                f"leave {method} out"
            )


def _check_space(make: Callable[[dict[str, Any]], Any], space: Space, search: Search, owner: str) -> None:
    """Checks every value of a space, one name at a time, so that the message names a wrong one."""
    for name, dimension in space.items():
        try:
            if search.kind == "grid" and isinstance(dimension, Interval):
                dimension.values()
            for value in witnesses(dimension):
                make({name: value})
        except UsageError as error:
            raise UsageError(f"{owner}.{name}: {error}") from None


def _check_steps(space: Space, defaults: Settings, owner: str) -> None:
    """Refuses steps that miss the end of their range, and fractional steps between whole numbers."""
    whole = {name for name, value in defaults.to_dict().items() if type(value) is int}
    for name, dimension in space.items():
        if not isinstance(dimension, Interval):
            continue
        try:
            dimension.check_steps()
        except UsageError as error:
            raise UsageError(f"{owner}.{name}: {error}") from None
        step = dimension.step
        if name in whole and step is not None and step != int(step):
            raise UsageError(f"{owner}.{name}: step must be a whole number, not {step:g}")


def _check_exclusions(sweep: Sweep, stage: Stage) -> None:
    """Refuses an exclusion that could never apply: an unknown name, or a value that no trial can have."""
    having: dict[str, list[str]] = {"method": []}
    for method in stage.methods:
        for name in method_named(method).settings_type.ranges():
            having.setdefault(name, []).append(method)
    for excluded in stage.exclude:
        _check_steps(excluded, Settings(), "exclude")
    for name, dimension in (pair for excluded in stage.exclude for pair in excluded.items()):
        if name not in having:
            raise unknown("hyperparameter in exclude", name, sorted(having))
        for value in bounds(dimension):
            if name == "method":
                if value not in stage.methods:
                    raise unknown("method in exclude", str(value), stage.methods)
            else:
                _check_excluded(sweep, stage, having[name], name, value)


def _check_excluded(sweep: Sweep, stage: Stage, methods: list[str], name: str, value: Scalar) -> None:
    refusal = None
    for workload in map(workload_named, sweep.stage_workloads(stage)):
        _, data, model = option_spaces(sweep, stage, workload.name).values()
        for architecture in _models(workload, model, data):
            for method in methods:
                try:
                    workload.method_settings(method, {name: value}, architecture)
                except UsageError as error:
                    refusal = error
                else:
                    return
    raise UsageError(f"exclude.{name}: {refusal}")
