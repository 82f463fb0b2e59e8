"""Combinations that stand for a whole space, few enough to look at each."""

import math
import random
from collections.abc import Iterator

from search.definition.space import Scalar, Space, bounds, combinations

_CORNERS = 256
"""Enough for a mean, of spaces whose combinations nobody would wait for."""


def corners(space: Space) -> Iterator[dict[str, Scalar]]:
    """All combinations of a space's bounds, or where they are many, some at random."""
    choices = {name: bounds(dimension) for name, dimension in space.items()}
    if math.prod(map(len, choices.values())) <= _CORNERS:
        return combinations(space)
    generator = random.Random(0)
    return ({name: generator.choice(c) for name, c in choices.items()} for _ in range(_CORNERS))
