"""Finds methods whose gradients add up under an optimizer that takes a step as long as their sum."""

from dropattack import DropAttackSettings
from search.definition.options import default_options, option_spaces
from search.definition.space import bounds, combinations
from search.definition.sweep import Stage, Sweep
from search.engine.corners import corners
from trainables.workloads import workload_named

_AS_LONG = ("sgd",)
"""Optimizers that do not divide by the size of the gradient."""
_REMARK = (
    "adds up the gradients of its passes, and SGD's steps grow with that sum, which alone may help or harm; "
    "try standard training at larger learning rates too, or set training.clip_norm"
)
_MEAN = ", or combine: mean"


def remarks_on_summed_gradients(sweep: Sweep) -> list[str]:
    """Lines on where summed gradients lengthen the steps of SGD, one for each workload and method.

    DropAttack adds the gradients of its clean and its attacked passes, and so do attacks on the input that
    train on the clean batch too. Adam and its relatives divide by their size, and clipping bounds it. SGD's
    steps grow with it, which broke most trainings on digits at a learning rate that suits standard training;
    where the learning rate was too small, the sum alone is a gain.
    """
    remarks: dict[str, None] = {}
    for stage in sweep.stages:
        for workload in sweep.stage_workloads(stage):
            if _steps_as_long(sweep, stage, workload):
                for method, can_be_mean in _adding(sweep, stage, workload):
                    remarks[f"{workload}: {method} {_REMARK}{_MEAN * can_be_mean}"] = None
    return list(remarks)


def _steps_as_long(sweep: Sweep, stage: Stage, workload: str) -> bool:
    space = option_spaces(sweep, stage, workload)["training"]
    defaults = default_options(workload)["training"]
    tried = {n: bounds(space.get(n, defaults[n])) for n in ("optimizer", "clip_norm")}
    return not set(tried["optimizer"]).isdisjoint(_AS_LONG) and 0 in tried["clip_norm"]


def _adding(sweep: Sweep, stage: Stage, workload: str) -> list[tuple[str, bool]]:
    """The methods that add gradients for some of their settings, and whether these can be made a mean."""
    found = workload_named(workload)
    own = option_spaces(sweep, stage, workload)
    model = found.model_settings(*(next(combinations(own[section])) for section in ("model", "data")))
    names = []
    for method, spaces in stage.methods.items():
        tried = (
            found.method_settings(method, corner, model) for space in spaces for corner in corners(space)
        )
        adds = next((settings for settings in tried if settings.adds_gradients), None)
        if adds is not None:
            names.append((method, isinstance(adds, DropAttackSettings)))
    return names
