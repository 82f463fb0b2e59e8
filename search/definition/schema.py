"""Checks the keys and types of a sweep file, and words what is wrong with them."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.notify import Notify
from search.definition.samplers import SAMPLERS
from search.definition.schemawords import PLAIN, words
from search.definition.searches import BestOf, Confirm, Grid, Papers, Sampling
from search.definition.select import Aim, Select
from search.definition.space import FORMS, Interval, Subsets
from search.definition.sweep import Asha, Limits, Mlflow, Resources, Stage, Sweep
from search.definition.yamlfile import line_of


def check_schema(raw: Any, source: str) -> Sweep:
    """Builds a sweep from plain values; `check_meaning` checks that the names in it exist.

    Args:
        raw: What was read.
        source: Where it is from, for messages.

    Raises:
        UsageError: A key is unknown or missing, or a value is of the wrong type; the message names it.
    """
    if not isinstance(raw, dict):
        is_now = "it is empty" if raw is None else "this is none"
        raise UsageError(
            f"{source}: a sweep file is a mapping of keys to values, and {is_now}; write name, workload and "
            "stages"
        )
    try:
        return Sweep.model_validate(raw)
    except ValidationError as error:
        problem = _most_telling(error)
        line = line_of(source, _keys(problem["loc"], raw), raw)
        where = f"{source}, line {line}" if line else source
        raise UsageError(f"{where}: {_told(problem, raw)}") from None


def _most_telling(error: ValidationError) -> Any:
    """The most informative of pydantic's errors."""
    problems = error.errors()
    extra = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    return extra[0] if extra else problems[0]


def _keys(location: Sequence[int | str], raw: dict[str, Any]) -> list[int | str]:
    """The keys and positions that lead to a place in a sweep's plain values, without what pydantic adds."""
    found: list[int | str] = []
    node: Any = raw
    for part in location:
        if part == "[key]":
            break
        is_there = isinstance(node, dict) and part in node
        is_position = isinstance(part, int) and isinstance(node, list)
        if not (is_there or is_position) and (part in _TAGS or part in PLAIN or isinstance(part, int)):
            continue
        found.append(part)
        node = node[part] if is_there or is_position else None
    if found and found[0] == "workloads" and "workloads" not in raw:
        return ["workload"]
    return found


def _told(problem: Any, raw: dict[str, Any]) -> str:
    """One line for one of pydantic's errors."""
    kind, location = problem["type"], problem["loc"]
    keys = _keys(location, raw)
    where = _where(keys, raw)
    name = next((part for part in reversed(keys) if isinstance(part, str)), "")
    if ":" in name and problem["input"] is None:
        key, _, value = name.partition(":")
        place = where.removesuffix(name).rstrip(".") or "top level"
        return f"{place}: {name!r} lacks a space after its colon; write {key}: {value}"
    if kind == "extra_forbidden":
        message = str(unknown("key", str(location[-1]), _owner(location).model_fields))
        return f"{where.rpartition('.')[0] or 'top level'}: {message}"
    if kind == "union_tag_invalid":
        kinds = {"scheduler": ("asha", "none"), "sampler": tuple(SAMPLERS)}
        valid = kinds.get(str(location[-1]), ("grid", "random", "optuna", "confirm"))
        return f"{where}: {unknown('kind', str(problem['ctx']['tag']), valid)}"
    if kind == "literal_error":
        return f"{where}: {unknown('value', str(problem['input']), _choices(problem['ctx']['expected']))}"
    message = words(problem, name)
    return f"{where}: {message}" if where else message


def _where(keys: Sequence[int | str], raw: Any) -> str:
    """A place in a sweep as `--set` names it, stages by their names; then the entry of a list, from 1."""
    parts: list[str] = []
    node: Any = raw
    entry = ""
    for key in keys:
        entry = f", entry {int(key) + 1}" if isinstance(node, list) else ""
        is_there = isinstance(node, list) or (isinstance(node, dict) and key in node)
        node = node[key] if is_there else None
        if parts == ["stages"] and entry and isinstance(node, dict) and node.get("name"):
            parts, entry = ["stages", str(node["name"])], ""
        elif not entry:
            parts.append(str(key))
    return ".".join(parts) + entry


def _choices(expected: str) -> list[str]:
    """The words that pydantic lists: ``'grid', 'random' or 'optuna'``."""
    return [word for word in re.findall(r"'([^']*)'", expected) if word]


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
