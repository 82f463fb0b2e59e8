"""What a sweep selects by if its file names no metric."""

from search.definition.select import Select
from search.definition.sweep import Sweep
from trainables.objectives import Objective
from trainables.workloads import workload_named

_USUAL = Select().metric


def with_own_metric(sweep: Sweep) -> Sweep:
    """Chooses a metric of the workloads if the sweep names none and no workload has accuracy.

    It is the metric by which all of them choose epochs themselves, if they agree on one; else the first
    metric besides the loss that all measure; else the loss.

    Raises:
        UsageError: There is no workload of a name.
    """
    if sweep.select.model_fields_set & {"metric", "mode"}:
        return sweep
    found = [workload_named(name) for name in sweep.workloads]
    objectives = [workload.objective for workload in found]
    if any(_USUAL in objective.names for objective in objectives):
        return sweep
    own = {workload.training.best_by for workload in found}
    shared = [name for name in objectives[0].names if all(name in other.names for other in objectives)]
    agreed = [name for name in shared if {name} == own]
    metric = next(iter([*agreed, *(name for name in shared if name != "loss"), "loss"]))
    return sweep.model_copy(update={"select": _select(metric, objectives[0])})


def _select(metric: str, objective: Objective) -> Select:
    return Select(metric=metric, mode="max" if objective.larger_is_better(metric) else "min")
