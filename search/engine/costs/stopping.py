"""Which share of its budget a stage trains under ASHA, if trials differ by chance alone."""

import random
from bisect import bisect_left, insort
from functools import cache

from search.definition.sweep import Asha

_MOST, _DRAWS = 200, 20
"""The most trials of a simulated stage, and how many stages: enough for a share within about 0.02."""


def expected_share(asha: Asha | None, trials: int, budget: int) -> float:
    """The share of ``trials × budget`` that is trained, in (0, 1], where no trial is better for being later.

    Trials reach each rung one after the other. A trial goes on where it is at least as good as the quantile
    ``1 - 1/reduction_factor`` of those that came before; the first one always does.

    Args:
        asha: The stage's scheduler; without one, nothing stops a trial.
        trials: How many trials the stage has.
        budget: The full budget of a trial, in epochs or passes.

    Examples:
        >>> expected_share(None, 20, 6)
        1.0
    """
    if asha is None or trials < 2:
        return 1.0
    return _drawn_share(min(asha.grace_period, budget), asha.reduction_factor, min(trials, _MOST), budget)


@cache
def _drawn_share(grace: int, factor: float, trials: int, budget: int) -> float:
    rungs = []
    milestone = float(grace)
    while milestone < budget:
        rungs.append(milestone)
        milestone *= factor
    generator = random.Random(0)
    trained = 0.0
    for _ in range(_DRAWS):
        seen: list[list[float]] = [[] for _ in rungs]
        for _ in range(trials):
            trained += _trained(generator.random(), rungs, seen, factor, budget)
    return trained / (_DRAWS * trials * budget)


def _trained(merit: float, rungs: list[float], seen: list[list[float]], factor: float, budget: int) -> float:
    """What a trial of this merit trains; adds it to those that each rung has seen."""
    for rung, known in zip(rungs, seen, strict=True):
        better = len(known) - bisect_left(known, merit)
        stays = better <= len(known) / factor
        insort(known, merit)
        if not stays:
            return rung
    return budget
