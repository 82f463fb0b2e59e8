"""Finds attacks whose gradients add up under an optimizer that takes a step as long as their sum."""

from search.definition.options import default_options, option_spaces
from search.definition.space import bounds
from search.definition.sweep import Stage, Sweep
from search.engine.corners import dropattacks

_SUM, _AS_LONG = "sum", ("sgd",)
"""Optimizers that do not divide by the size of the gradient."""
_REMARK = (
    "DropAttack sums the gradients of its passes, and SGD's steps grow with that sum; set combine: mean, "
    "training.clip_norm, or a smaller learning rate"
)


def remarks_on_summed_gradients(sweep: Sweep) -> list[str]:
    """Lines on where summed gradients lengthen the steps of SGD, one for each workload.

    DropAttack adds the gradients of its clean and its attacked passes. Adam and its relatives divide by their
    size, and clipping bounds it. SGD's steps grow with it, which broke most trainings on digits at a learning
    rate that suits standard training.
    """
    remarks: dict[str, None] = {}
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            if _steps_as_long(sweep, stage, workload) and _sums(sweep, stage, workload):
                remarks[f"{workload}: {_REMARK}"] = None
    return list(remarks)


def _steps_as_long(sweep: Sweep, stage: Stage, workload: str) -> bool:
    space = option_spaces(sweep, stage, workload)["training"]
    defaults = default_options(workload)["training"]
    tried = {n: bounds(space.get(n, defaults[n])) for n in ("optimizer", "clip_norm")}
    return not set(tried["optimizer"]).isdisjoint(_AS_LONG) and 0 in tried["clip_norm"]


def _sums(sweep: Sweep, stage: Stage, workload: str) -> bool:
    attacks = (settings for settings, _ in dropattacks(sweep, stage, workload) if settings.standard is None)
    return any(settings.combine == _SUM for settings in attacks)
