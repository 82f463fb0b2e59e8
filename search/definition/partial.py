"""The part of a sweep that some of its workloads are."""

from collections.abc import Iterable

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.sweep import Sweep


def only_workloads(sweep: Sweep, names: Iterable[str]) -> Sweep:
    """The part of a sweep that concerns some of its workloads: the same stages without the others.

    Args:
        sweep: The whole.
        names: Names of its workloads, also several in one string with commas between; all if there are none.

    Returns:
        A sweep of the same name. Do not record it as the sweep's definition.

    Raises:
        UsageError: The sweep has no such workload, or no stage for it.
    """
    wanted = [part.strip() for name in names for part in name.split(",")]
    for name in wanted:
        if name not in sweep.workloads:
            raise UsageError(f"--only: {unknown(f'workload of {sweep.name}', name, sweep.workloads)}")
    if not wanted:
        return sweep
    kept = tuple(name for name in sweep.workloads if name in wanted)
    stages = tuple(
        stage.model_copy(update={"workloads": tuple(n for n in stage.workloads if n in kept)})
        for stage in sweep.stages
        if set(sweep.stage_workloads(stage)) & set(kept)
    )
    if not stages:
        raise UsageError(f"--only: no stage of {sweep.name} is for {', '.join(kept)}")
    return sweep.model_copy(update={"workloads": kept, "stages": stages})
