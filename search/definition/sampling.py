"""Checks that a sampler can draw from a stage's whole space: Optuna's samplers ignore what they cannot."""

from collections.abc import Iterator

from dropattack import UsageError
from search.definition.options import option_spaces
from search.definition.samplers import LEARNERS, CmaEs, Nsga2, Random, Tpe
from search.definition.searches import Sampling
from search.definition.space import Dimension, Interval, values
from search.definition.sweep import Stage, Sweep


def check_sampling(sweep: Sweep, stage: Stage) -> None:
    """Refuses a sampler that would draw parts of a stage's space at random.

    Raises:
        UsageError: It would; the message names a sampler that would not.
    """
    search = stage.search
    if not isinstance(search, Sampling):
        return
    if search.seeds > len(set(sweep.seeds)):
        raise UsageError(
            f"search.seeds is {search.seeds}, and the sweep's seeds are {', '.join(map(str, sweep.seeds))}; "
            "list more of them, or lower search.seeds"
        )
    taken = sweep.seeds[: search.seeds]
    if twice := [seed for seed in taken if taken.count(seed) > 1]:
        raise UsageError(f"seeds has {twice[0]} twice, and search.seeds counts both; leave one of them out")
    sampler = search.drawn_by
    if search.warm_start and search.sampler is not None and sampler.kind not in LEARNERS:
        raise UsageError(
            f"search.warm_start: {sampler.kind} learns nothing from another sweep; leave it out, or write "
            f"sampler: {' or '.join(LEARNERS)}"
        )
    if isinstance(sampler, Nsga2) and search.trials <= sampler.population_size:
        raise UsageError(
            f"search.sampler: nsga2 draws its first {sampler.population_size} trials at random, and the "
            f"search has {search.trials}; lower population_size, or write sampler: tpe"
        )
    if isinstance(sampler, Tpe | Random):
        return
    for workload in sweep.stage_workloads(stage):
        free = dict(_free(sweep, stage, workload))
        if len(stage.methods) > 1 and (
            own := [name for name in free if name.partition(".")[0] in stage.methods]
        ):
            raise UsageError(
                f"search.sampler: {sampler.kind} ignores what only one of several methods has, such as "
                f"{own[0]}; write sampler: tpe, or give each method a stage"
            )
        if isinstance(sampler, CmaEs):
            chosen = [name for name, dimension in free.items() if not isinstance(dimension, Interval)]
            chosen += ["method"] if len(stage.methods) > 1 else []
            if chosen:
                raise UsageError(
                    f"search.sampler: cmaes ignores choices, such as {chosen[0]}; write a range "
                    "({low: …, high: …}), or sampler: gp or tpe"
                )
        if isinstance(sampler, CmaEs) and sampler.use_separable_cma and len(free) < 2:
            raise UsageError("search.sampler: use_separable_cma needs two dimensions or more; leave it out")
    if isinstance(sampler, CmaEs) and sampler.use_separable_cma and (sampler.lr_adapt or search.warm_start):
        other = "lr_adapt" if sampler.lr_adapt else "warm_start"
        raise UsageError(f"search.sampler: use_separable_cma cannot go with {other}; leave one of them out")


def _free(sweep: Sweep, stage: Stage, workload: str) -> Iterator[tuple[str, Dimension]]:
    """Dimensions with more than one value, by the sampler's names for them."""
    spaces = [(method, space) for method, own in stage.methods.items() for space in own]
    spaces += list(option_spaces(sweep, stage, workload).items())
    for owner, space in spaces:
        for name, dimension in space.items():
            several = (
                dimension.low < dimension.high
                if isinstance(dimension, Interval)
                else len(values(dimension)) > 1
            )
            if several:
                yield f"{owner}.{name}", dimension
