"""What a sweep selects by where its file does not say."""

from search.definition.select import Select
from search.definition.sweep import Sweep
from trainables.objectives import Objective
from trainables.workloads import workload_named

_USUAL = Select().metric


def with_own_metric(sweep: Sweep) -> Sweep:
    """Selects by a metric that the workloads have, where the sweep names none and none of them has accuracy.

    It is what their own training goes by, where they agree on one; else the first that all measure beside the
    loss; else the loss.

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
