"""Combinations that represent a whole space, few enough to look at each."""

import math
import random
from collections.abc import Iterator

from dropattack import DropAttackSettings, method_named
from search.definition.options import option_spaces
from search.definition.space import Scalar, Space, bounds, combinations
from search.definition.sweep import Stage, Sweep
from trainables.workloads import workload_named

_CORNERS = 256
"""Combinations that are enough for a mean over a space too large to enumerate."""


def dropattacks(sweep: Sweep, stage: Stage, workload: str) -> Iterator[tuple[DropAttackSettings, bool]]:
    """The settings of DropAttack at the corners of a stage's spaces, and whether the model reads words."""
    found = workload_named(workload)
    own = option_spaces(sweep, stage, workload)
    model = found.model_settings(*(next(combinations(own[section])) for section in ("model", "data")))
    for method, spaces in stage.methods.items():
        if issubclass(method_named(method).settings_type, DropAttackSettings):
            for corner in (corner for space in spaces for corner in corners(space)):
                settings = found.method_settings(method, corner, model)
                if isinstance(settings, DropAttackSettings):
                    yield settings, model.words


def corners(space: Space) -> Iterator[dict[str, Scalar]]:
    """All combinations of a space's bounds or, of many, a random sample."""
    choices = {name: bounds(dimension) for name, dimension in space.items()}
    if math.prod(map(len, choices.values())) <= _CORNERS:
        return combinations(space)
    generator = random.Random(0)
    return ({name: generator.choice(c) for name, c in choices.items()} for _ in range(_CORNERS))
