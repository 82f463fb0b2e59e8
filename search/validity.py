"""What a sweep's schema cannot see: whether the names exist and the values mean something together."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dropattack import UsageError, method_named
from dropattack.errors import unknown
from search.options import default_options, option_spaces
from search.space import Space, bounds, combinations, values
from search.sweep import SECTIONS, Confirm, Sampling, Search, Stage, Sweep
from trainables.compiled import check_compilable
from trainables.workloads import TrainingSettings, workload_named


def check_meaning(sweep: Sweep) -> None:
    """Raises a `UsageError` for unknown names and for values out of range."""
    for name in sweep.workloads:
        workload_named(name)
    for index, stage in enumerate(sweep.stages):
        try:
            _check_stage(sweep, stage, index)
        except UsageError as error:
            raise UsageError(f"stage {stage.name!r}: {error}") from None


def _check_stage(sweep: Sweep, stage: Stage, index: int) -> None:
    if isinstance(stage.search, Confirm):
        if index == 0:
            raise UsageError("a confirmation needs stages before it")
        if stage.methods or stage.scheduler or stage.exclude:
            raise UsageError(
                "a confirmation takes its configurations from the stages before, and trains in full"
            )
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
    for workload in map(workload_named, sweep.stage_workloads(stage)):
        training, data, model = option_spaces(sweep, stage, workload.name).values()
        selecting = {"best_by": sweep.select.metric}
        _check_space(TrainingSettings.from_dict, training, stage.search, "training")
        for settings in combinations({n: d for n, d in training.items() if n in ("examples", "robustness")}):
            whole = TrainingSettings.from_dict({**workload.training.to_dict(), **settings, **selecting})
            for options in combinations(model):
                workload.check_training(whole, options)
        _check_space(workload.data_settings, data, stage.search, "data")
        _check_space(workload.model_settings, model, stage.search, "model")
        for name, spaces in stage.methods.items():
            if sweep.resources.compile:
                check_compilable(name)
            if not spaces:
                raise UsageError(f"the space of {name} is empty; give it a mapping, {{}} for its defaults")
            if isinstance(stage.search, Sampling) and len(spaces) > 1:
                raise UsageError(f"{name} has {len(spaces)} spaces; a search that samples takes one")
            for space in spaces:
                for options in combinations(model):
                    make = partial(workload.method_settings, name, model=options)
                    _check_space(make, space, stage.search, name)
    if stage.scheduler is not None and len(bounds(sweep.section(stage, "training").get("epochs", 1))) > 1:
        raise UsageError("asha needs one number of training.epochs, not several")
    _check_exclusions(stage)


def _check_space(make: Callable[[dict[str, Any]], Any], space: Space, search: Search, owner: str) -> None:
    """Makes settings of every value of a space, one name at a time, so that a wrong one is named."""
    for name, dimension in space.items():
        try:
            for value in values(dimension) if search.kind == "grid" else bounds(dimension):
                make({name: value})
        except UsageError as error:
            raise UsageError(f"{owner}.{name}: {error}") from None


def _check_exclusions(stage: Stage) -> None:
    valid = {"method"} | {n for name in stage.methods for n in method_named(name).settings_type.ranges()}
    for excluded in stage.exclude:
        for name in excluded:
            if name not in valid:
                raise unknown("hyperparameter in exclude", name, sorted(valid))
