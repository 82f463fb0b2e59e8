"""Fronts against Optuna's and a search of all subsets, and crowding worked out by hand."""

import itertools
import math
import random

import optuna
import pytest

from analysis.pareto import better, crowding, ranks


def _points(seed: int, count: int, aims: int) -> list[tuple[float, ...]]:
    """Coordinates on a coarse grid, so that some are equal, and some points too."""
    draw = random.Random(seed)
    return [tuple(draw.randrange(5) / 4 for _ in range(aims)) for _ in range(count)]


@pytest.mark.parametrize("aims", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_optunas(seed: int, aims: int) -> None:
    points = _points(seed, 25, aims)
    signs = [1, -1, 1][:aims]
    study = optuna.create_study(directions=["maximize" if sign > 0 else "minimize" for sign in signs])
    for point in points:
        values = [sign * value for sign, value in zip(signs, point, strict=True)]
        study.add_trial(optuna.trial.create_trial(values=values))
    expected = {trial.number for trial in study.best_trials}
    assert {i for i, rank in enumerate(ranks(points)) if rank == 0} == expected


@pytest.mark.parametrize("seed", range(5))
def test_a_rank_is_the_longest_chain_of_points_that_beat_each_other_down_to_one(seed: int) -> None:
    """Another formulation: the rank of a point is the length of the longest chain of dominators above it."""
    points = _points(seed, 20, 2)

    def above(i: int) -> list[int]:
        mine = points[i]
        return [
            j
            for j, other in enumerate(points)
            if all(a >= b for a, b in zip(other, mine, strict=True)) and other != mine
        ]

    def chain(i: int) -> int:
        return max((1 + chain(j) for j in above(i)), default=0)

    assert ranks(points) == [chain(i) for i in range(len(points))]


def test_crowding_by_hand() -> None:
    """Of (2, 3): neighbours 1 and 4 of a range of 8, and 5 and 1 of a range of 6; ends are infinite."""
    points = [(0, 6), (1, 5), (2, 3), (4, 1), (8, 0)]
    assert crowding(points) == [math.inf, 2 / 8 + 3 / 6, 3 / 8 + 4 / 6, 6 / 8 + 3 / 6, math.inf]
    assert crowding([]) == []
    assert crowding([(1, 1)] * 3) == [math.inf] * 3


def test_who_is_before_whom_does_not_depend_on_the_order_of_points() -> None:
    points = [(0, 6), (1, 5), (2, 3), (4, 1), (8, 0), (0, 0), (1, 1)]
    expected = dict(zip(points, [0, 4, 3, 2, 0, 6, 5], strict=True))
    for order in itertools.islice(itertools.permutations(points), 0, None, 97):
        assert [better(order, i) for i in range(len(order))] == [expected[point] for point in order]
