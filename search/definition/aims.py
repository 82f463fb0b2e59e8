"""Whether a sweep's stages can pursue what it selects by: metrics that are measured, and several at once."""

from dataclasses import replace

from analysis.aims import PASSES, Constraint
from dropattack import UsageError
from dropattack.errors import unknown
from dropattack.robustness import Case, parse_grid
from search.definition.options import option_spaces
from search.definition.samplers import CmaEs
from search.definition.searches import Sampling
from search.definition.select import Aim
from search.definition.space import bounds
from search.definition.sweep import Stage, Sweep
from trainables.workload import Workload
from trainables.workloads import workload_named


def check_aims(sweep: Sweep, stage: Stage) -> None:
    """Refuses metrics that a stage does not measure, their worst values, and searches for one metric only.

    Raises:
        UsageError: The stage cannot pursue what the sweep selects by; the message says what can.
    """
    select = sweep.select
    for constraint in select.rule.constraints:
        _check_bound(constraint)
    for workload in map(workload_named, sweep.stage_workloads(stage)):
        for aim in select.aims:
            if aim.metric != PASSES:
                _check_metric(aim, workload, "metrics" if select.several else "metric")
            if aim.metric in workload.objective.names:
                workload.check_training(replace(workload.training, best_by=aim.metric))
        if select.several:
            _check_attacked(sweep, stage, workload.name)
    if select.several:
        _check_search(sweep, stage)


def _check_metric(aim: Aim, workload: Workload, key: str) -> None:
    """Refuses a metric that a workload does not measure, or a search for its worst value."""
    metric, known = aim.metric, workload.objective.names
    if metric not in known and Case.of_metric(metric) is None:
        valid = [*known, PASSES] if key == "metrics" else known
        raise UsageError(f"select.{key}: {unknown(f'metric of {workload.name}', metric, valid)}")
    larger = workload.objective.larger_is_better(metric)
    if larger != (aim.sign > 0):
        mode, size = ("max", "more") if larger else ("min", "less")
        what = (
            f"set select.mode: {mode}"
            if key == "metric"
            else f"write {{metric: {metric}, mode: {mode}}} in its place"
        )
        where = "select.mode" if key == "metric" else "select.metrics"
        raise UsageError(f"{where}: {size} {metric} is better for {workload.name}; {what}")


def _check_bound(constraint: Constraint) -> None:
    """Refuses a bound that is no accuracy, such as a percentage: nothing would ever keep to it."""
    accuracy = constraint.metric == "accuracy" or Case.of_metric(constraint.metric) is not None
    if accuracy and not 0 <= constraint.bound <= 1:
        raise UsageError(
            f"select.constraints: {constraint.metric} must be between 0 and 1, not {constraint.bound:g}; "
            "write 97 % as 0.97"
        )


def _check_attacked(sweep: Sweep, stage: Stage, workload: str) -> None:
    """Refuses an accuracy under an attack that some training of the stage is not tested with."""
    default = workload_named(workload).training.robustness
    grids = bounds(option_spaces(sweep, stage, workload)["training"].get("robustness", default))
    for metric, case in ((aim.metric, Case.of_metric(aim.metric)) for aim in sweep.select.aims):
        if case is not None and any(case not in parse_grid(str(grid)) for grid in grids):
            raise UsageError(
                f"select.metrics: not every training computes {metric}; add {case.name}:{case.epsilon:g} to "
                "training.robustness"
            )


def _check_search(sweep: Sweep, stage: Stage) -> None:
    """Refuses options that work with one metric only."""
    search = stage.search
    if isinstance(search, Sampling):
        if search.race:
            raise UsageError(
                "search.race compares candidates in one metric, and select.metrics has several; write "
                "race: false, which trains each with all of search.seeds"
            )
        if search.objective == "lower":
            raise UsageError(
                "search.objective: lower is the end of an interval of one metric, and select.metrics has "
                "several; write objective: mean"
            )
        if isinstance(search.drawn_by, CmaEs):
            raise UsageError(
                "search.sampler: cmaes takes one metric, and select.metrics has several; write sampler: tpe, "
                "gp or nsga2"
            )
    attacked = [aim.metric for aim in sweep.select.aims[1:] if Case.of_metric(aim.metric) is not None]
    if stage.scheduler is not None and attacked:
        raise UsageError(
            f"scheduler: asha compares trials after every epoch, when {attacked[0]} is measured only as the "
            "first of select.metrics; list it first, or leave the scheduler out"
        )
