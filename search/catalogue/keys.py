"""Every key of a sweep file as tables for people: type, range, default and meaning.

    python -m search.catalogue.keys docs/reference/keys.md

renews the tables between the markers of a Markdown page.
"""

import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dropattack.catalogue import renewed
from search.definition.notify import Notify
from search.definition.samplers import SAMPLERS
from search.definition.searches import BestOf, Configuration, Confirm, Grid, Papers, Sampling
from search.definition.seeds import one_by_one
from search.definition.select import Aim, Select
from search.definition.space import Dimension, Interval, Scalar, Space, Subsets
from search.definition.sweep import Asha, Limits, Mlflow, Resources, Stage, Sweep

SECTIONS: Mapping[type[BaseModel], str] = {
    Sweep: "The whole file",
    Stage: "A stage",
    Grid: "search: grid",
    Sampling: "search: random, search: optuna",
    **{sampler: f"sampler: {name}" for name, sampler in SAMPLERS.items()},
    BestOf: "enqueue: best of another sweep",
    Papers: "enqueue: the paper's",
    Configuration: "enqueue: one configuration",
    Confirm: "search: confirm",
    Asha: "scheduler: asha",
    Select: "select",
    Aim: "An entry of select.metrics",
    Resources: "resources",
    Limits: "limits",
    Notify: "notify",
    Mlflow: "mlflow",
    Interval: "A range",
    Subsets: "Sets of targets",
}
"""Every part of a sweep file, and the heading of its table, in the order of the page."""

_WORDS = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Any: "any value"}
_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


def reference() -> str:
    """A section for each part of a sweep file."""
    return "\n\n".join(
        f"### {title}\n\n{_plain(_summary(model))}\n\n{table(model)}" for model, title in SECTIONS.items()
    )


def table(model: type[BaseModel]) -> str:
    """A Markdown table of a part's keys: type with range, default and meaning."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    meanings = documented(model)
    for key, field in model.model_fields.items():
        cells = [f"`{key}`", type_of(field), _default(field), _plain(meanings[key])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def documented(model: type[BaseModel]) -> dict[str, str]:
    """What docstrings say of a part's keys under ``Attributes``; a part has what it inherits, too."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        _, _, listed = inspect.cleandoc(vars(owner).get("__doc__") or "").partition("\nAttributes:\n")
        section = re.split(r"\n(?=\S)", listed)[0]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            found[name] = " ".join(text.split())
    return found


def type_of(field: FieldInfo) -> str:
    """A key's type and range in words, with links to the tables of its parts."""
    if any(getattr(each, "func", None) is one_by_one for each in field.metadata):
        return "list, at least 1: whole number; or a range with both ends, `{low: 0, high: 9}`"
    return _typed(field.annotation, field.metadata)


def _typed(annotation: Any, bounds: Any = ()) -> str:
    kind, inside = get_origin(annotation), get_args(annotation)
    if annotation == Space:
        return "settings, each a [dimension](sweeps.md#dimensions)"
    if annotation == Dimension:
        return "a [dimension](sweeps.md#dimensions)"
    if annotation == Scalar:
        return "a value"
    if kind is Annotated:
        return _typed(inside[0], [each for extra in inside[1:] for each in _flat(extra)])
    if kind is Literal:
        return " or ".join(f"`{value}`" for value in inside if value)
    if kind in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_typed(each, bounds) for each in inside if each is not type(None)))
    if kind in (tuple, list):
        least = f", at least {n}" if (n := next(_named(bounds, "min_length"), 0)) else ""
        return f"list{least}: {_typed(inside[0])}"
    if kind is dict:
        return f"mapping: {_typed(inside[1])}"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"[{SECTIONS[annotation]}](#{anchor(SECTIONS[annotation])})"
    limits = [f"{sign} {limit:g}" for name, sign in _BOUNDS for limit in _named(bounds, name)]
    return f"{_WORDS[annotation]} {' and '.join(limits)}".strip()


def _flat(extra: Any) -> list[Any]:
    return extra.metadata if isinstance(extra, FieldInfo) else [extra]


def _named(bounds: Any, name: str) -> Iterator[Any]:
    return (getattr(each, name) for each in bounds if hasattr(each, name))


def anchor(title: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        named = getattr(value, "kind", getattr(value, "metric", ""))
        return f"`{named}`" if named else "the defaults there"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple) and value:
        return f"`{list(value)}`"
    return (
        "–" if value in (None, "", (), {}) else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    )


def _summary(model: type[BaseModel]) -> str:
    """What a part is: its docstring without the list of its keys."""
    text = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:\n")[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _plain(text: str) -> str:
    """Text of a docstring as Markdown."""
    return text.replace("``", "`")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8"), reference), encoding="utf-8")
