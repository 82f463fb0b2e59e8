"""Non-dominated ranks of points, and how crowded a front is.

The ranks and the distances are those of NSGA-II (Deb et al. 2002, "A fast and elitist multiobjective genetic
algorithm", sections III.A and III.B). Larger is better in every coordinate.
"""

import math
from collections.abc import Sequence

Point = Sequence[float]


def dominates(one: Point, other: Point) -> bool:
    """Whether a point is at least as good as another in every coordinate, and better in one.

    Examples:
        >>> dominates((1, 2), (1, 1)), dominates((1, 2), (2, 1)), dominates((1, 2), (1, 2))
        (True, False, False)
    """
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def ranks(points: Sequence[Point]) -> list[int]:
    """The front of each point: 0 if no point dominates it, 1 if only those of front 0 do, and so on.

    Examples:
        >>> ranks([(1, 3), (3, 1), (1, 1), (0, 0)])
        [0, 0, 1, 2]
    """
    found = [-1] * len(points)
    left, rank = list(range(len(points))), 0
    while left:
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        for i in front:
            found[i] = rank
        left = [i for i in left if found[i] < 0]
        rank += 1
    return found


def crowding(points: Sequence[Point]) -> list[float]:
    """How far the neighbours of each point of a front are apart, as shares of the front's range.

    Shares are summed over coordinates. A point at an end of a coordinate has an infinite distance.

    Examples:
        >>> crowding([(0, 4), (1, 2), (4, 0)])
        [inf, 2.0, inf]
    """
    found = [0.0] * len(points)
    for axis in range(len(points[0]) if points else 0):
        values = [point[axis] for point in points]
        order = sorted(values)
        low, high = order[0], order[-1]
        for i, value in enumerate(values):
            if value in (low, high):
                found[i] = math.inf
                continue
            below = max(v for j, v in enumerate(values) if v <= value and j != i)
            above = min(v for j, v in enumerate(values) if v >= value and j != i)
            found[i] += (above - below) / (high - low)
    return found


def better(points: Sequence[Point], index: int) -> int:
    """How many points come before one: those of a lower front, and of its own front those less crowded.

    Examples:
        >>> [better([(0, 4), (1, 2), (4, 0), (0, 0)], i) for i in range(4)]
        [0, 2, 0, 3]
    """
    rank = ranks(points)
    own = [i for i in range(len(points)) if rank[i] == rank[index]]
    distance = dict(zip(own, crowding([points[i] for i in own]), strict=True))
    ahead = sum(each < rank[index] for each in rank)
    return ahead + sum(distance[i] > distance[index] for i in own)
