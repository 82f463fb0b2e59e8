"""Checks the keys and types of a sweep file, and words what is wrong with them."""

import re
from typing import Any

from pydantic import BaseModel, ValidationError

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.notify import Notify
from search.definition.samplers import SAMPLERS
from search.definition.searches import BestOf, Confirm, Grid, Papers, Sampling
from search.definition.select import Aim, Select
from search.definition.space import FORMS, Interval, Subsets
from search.definition.sweep import Asha, Limits, Mlflow, Resources, Stage, Sweep


def check_schema(raw: Any, source: str) -> Sweep:
    """Builds a sweep from plain values; `check_meaning` checks that the names in it exist.

    Args:
        raw: What was read.
        source: Where it is from, for messages.

    Raises:
        UsageError: A key is unknown or missing, or a value is of the wrong type; the message names it.
    """
    if not isinstance(raw, dict):
        raise UsageError(f"{source}: a sweep file is a mapping of keys to values")
    try:
        return Sweep.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{source}: {_first_problem(error, raw)}") from None


def _first_problem(error: ValidationError, raw: Any) -> str:
    """One line for the most informative of pydantic's errors."""
    problems = error.errors()
    extra = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = extra[0] if extra else problems[0]
    kind, location = problem["type"], problem["loc"]
    where = _where([part for part in location if part not in _TAGS], raw)
    if kind == "extra_forbidden":
        message = str(unknown("key", str(location[-1]), _owner(location).model_fields))
        return f"{where.rpartition('.')[0] or 'top level'}: {message}"
    if kind == "union_tag_invalid":
        kinds = {"scheduler": ("asha", "none"), "sampler": tuple(SAMPLERS)}
        valid = kinds.get(str(location[-1]), ("grid", "random", "optuna", "confirm"))
        return f"{where}: {unknown('kind', str(problem['ctx']['tag']), valid)}"
    if kind == "literal_error":
        return f"{where}: {unknown('value', str(problem['input']), _choices(problem['ctx']['expected']))}"
    messages = {
        "too_short": "the space is empty; list at least one value",
        "missing": "is missing",
        "tuple_type": "must be a list, such as [0, 1]",
        "dict_type": "must be a mapping of names to values",
        "model_type": "must be a mapping of names to values",
    }
    message = messages.get(kind, problem["msg"].removeprefix("Value error, "))
    return f"{where}: {message}" if where else message


def _where(parts: list[Any], raw: Any) -> str:
    """A place in a sweep as `--set` names it: stages by their names."""
    if len(parts) > 1 and parts[0] == "stages" and isinstance(parts[1], int):
        stage = raw["stages"][parts[1]]
        name = stage.get("name", parts[1]) if isinstance(stage, dict) else parts[1]
        parts = ["stages", name, *(part for part in parts[2:] if not isinstance(part, int))]
    return ".".join(map(str, parts))


def _choices(expected: str) -> list[str]:
    """The words that pydantic lists: ``'grid', 'random' or 'optuna'``."""
    return re.findall(r"'([^']*)'", expected)


_TAGS = {"best", "published", "one", "grid", "random", "optuna", "confirm", *SAMPLERS, *FORMS}


def _owner(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The part of a sweep that holds the key at the end of ``location``."""
    if "sampler" in location[:-2]:
        return SAMPLERS[str(location[-2])]
    if "enqueue" in location[:-1]:
        return Papers if "published" in location[:-1] else BestOf
    if "metrics" in location[:-1]:
        return Aim
    tagged: dict[str, type[BaseModel]] = {
        "grid": Grid,
        "confirm": Confirm,
        "random": Sampling,
        "optuna": Sampling,
    }
    tagged |= {
        "range": Interval,
        "subsets": Subsets,
        "scheduler": Asha,
        "select": Select,
        "resources": Resources,
        "limits": Limits,
        "notify": Notify,
        "mlflow": Mlflow,
    }
    parents = [tagged[str(part)] for part in location[:-1] if part in tagged]
    return parents[-1] if parents else Stage if "stages" in location else Sweep
