"""What pydantic finds wrong with a value, in words for people: what it must be, and what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from dropattack.errors import shortened

PLAIN = ("bool", "int", "float", "str", "constrained-int", "constrained-float", "literal['auto']")
"""What pydantic adds to a place for each form that a value may have."""

_KINDS = "grid, or a mapping such as {kind: random, trials: 20}"
_MAPPINGS: Mapping[str, str] = {
    "search": _KINDS,
    "sampler": "a sampler's name such as tpe, or a mapping such as {kind: tpe}",
    "scheduler": "asha, none, or a mapping such as {kind: asha}",
    "metrics": "a metric's name, or a mapping such as {metric: loss}",
    "select": "a mapping, such as {metric: accuracy}",
    "notify": "a mapping, such as {url: https://example.org/hooks/1}",
    "stages": "a mapping, such as {name: baseline, methods: {standard: {}}}",
    "methods": "a mapping of methods to their spaces, such as {standard: {}}",
}
"""What a key takes, where that is more than a mapping."""
_LISTS: Mapping[str, str] = {
    "seeds": "a list of whole numbers, such as [0, 1], or {low: 0, high: 9}",
    "stages": "a list, in which every stage begins with a dash and a space",
    "exclude": "a list of mappings, such as [{method: pgd, k: 3}]",
}
"""What a key takes, where that is more than a list."""


def words(problem: Mapping[str, Any], named: str) -> str:
    """What is wrong with a value, and what to write.

    Args:
        problem: One of pydantic's errors.
        named: The last part of its place that is a key.
    """
    kind, given = str(problem["type"]), problem.get("input")
    context = problem.get("ctx", {})
    if kind == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return "is missing"
    if kind == "too_short":
        return "the space is empty; list at least one value"
    if kind == "invalid_key" or problem["loc"][-1] == "[key]":
        return f"{given!r} is no name; write decimals as 0.1, and a list as [0, 1]"
    if kind == "union_tag_not_found":
        return f"its kind is missing or has another form; write {_MAPPINGS.get(named, _KINDS)}"
    if given is None:
        return "is empty; write a value"
    must = _must(kind, context, problem["loc"], given, named)
    return f"must be {must}" if must else "has a value of the wrong form"


def _must(kind: str, context: Mapping[str, Any], place: Sequence[Any], given: Any, named: str) -> str:
    said = f", not {_said(given)}"
    bounds = {"greater_than_equal": "at least {ge}", "greater_than": "greater than {gt}"}
    bounds |= {"less_than_equal": "at most {le}", "less_than": "less than {lt}"}
    if kind in bounds:
        return bounds[kind].format(**{name: f"{bound:g}" for name, bound in context.items()}) + said
    if place[-1] in ("bool", "int", "float", "str"):
        return f"a number, a text, true or false, a list of these, or {{low: 0.1, high: 1}}{said}"
    if place[-1] == "constrained-float":
        return f"a number, or auto{said}"
    if kind.startswith("int") or kind == "int_from_float":
        return f"a whole number{said}"
    if kind in ("float_type", "float_parsing"):
        return f"a number{said}"
    if kind == "finite_number":
        return f"a finite number{said}"
    if kind.startswith("bool"):
        return f"true or false{said}"
    if kind == "string_type":
        is_plain = isinstance(given, bool | int | float)
        if named == "checkpoint_every":
            return f"a length of time, such as 10min, or epoch{said}"
        return f'text; write "{_said(given)}", with quotes' if is_plain else f"one text{said}"
    if kind == "tuple_type" or kind == "list_type":
        if isinstance(given, Mapping) or named in _LISTS:
            return _LISTS.get(named, "a list, in which every entry begins with a dash and a space")
        return f"a list; write [{shortened(str(given), 60)}]"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return _MAPPINGS.get(named, "a mapping of names to values") + said
    return ""


def _said(given: Any) -> str:
    """A value as a file has it."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, Mapping):
        return "a mapping"
    if isinstance(given, list | tuple):
        return "a list"
    return shortened(repr(given), 60)
