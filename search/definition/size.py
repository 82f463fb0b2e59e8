"""Computes how large a sweep is, so that one too large is refused before its trials are listed."""

import math

from dropattack import UsageError
from search.definition.options import option_spaces
from search.definition.searches import Grid
from search.definition.space import Dimension, Interval, Space, Subsets
from search.definition.sweep import SECTIONS, Stage, Sweep

MOST_TRIALS = 100_000
"""The most trials of a grid."""
MOST_SETS = 10_000
"""The most sets in one list of target sets."""
_MOST_OPTIONS = 10_000
"""The most combinations of settings beside the method's; each is checked for validity."""


def check_options(sweep: Sweep, stage: Stage) -> None:
    """Refuses more settings beside the method's than can be checked for validity.

    Raises:
        UsageError: There are.
    """
    for workload in sweep.stage_workloads(stage):
        spaces = option_spaces(sweep, stage, workload).values()
        tried = [2 if isinstance(d, Interval) else count(d) for space in spaces for d in space.values()]
        if (beside := math.prod(tried)) > _MOST_OPTIONS:
            raise UsageError(
                f"{beside:,} combinations of {', '.join(SECTIONS)} settings; at most {_MOST_OPTIONS:,} are "
                "searched beside a method's: fix some of them"
            )


def check_size(sweep: Sweep, stage: Stage) -> None:
    """Refuses a stage that nobody could wait for.

    Raises:
        UsageError: A list of target sets or a grid is too large.
    """
    for method, spaces in stage.methods.items():
        for name, dimension in (pair for space in spaces for pair in space.items()):
            if isinstance(dimension, Subsets) and count(dimension) > MOST_SETS:
                raise UsageError(
                    f"{method}.{name}: {count(dimension):,} sets of targets; at most {MOST_SETS:,} are "
                    "listed: lower up_to, or name fewer targets"
                )
    combinations = sum(_combinations(space) for spaces in stage.methods.values() for space in spaces)
    beside = sum(_beside(sweep, stage, workload) for workload in sweep.stage_workloads(stage))
    trials = len(sweep.seeds) * beside * combinations
    if isinstance(stage.search, Grid) and trials > MOST_TRIALS:
        raise UsageError(
            f"a grid of {trials:,} trials; at most {MOST_TRIALS:,} are listed: leave values out, or draw "
            "from the space with search: {kind: random, trials: 100}"
        )


def _beside(sweep: Sweep, stage: Stage, workload: str) -> int:
    """Combinations of the settings beside the method's."""
    return math.prod(map(_combinations, option_spaces(sweep, stage, workload).values()))


def count(dimension: Dimension) -> int:
    """How many values a dimension has; of a range without steps, its two ends."""
    if isinstance(dimension, Subsets):
        names = len(dimension.subsets_of)
        return sum(math.comb(names, size) for size in range(1, min(dimension.up_to, names) + 1))
    if isinstance(dimension, Interval):
        return dimension.count
    return len(set(dimension)) if isinstance(dimension, list) else 1


def _combinations(space: Space) -> int:
    return math.prod(map(count, space.values()))
