"""Sweep files: found by name or path, overridden, read, and refused in one line where they are wrong."""

import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from dropattack import UsageError
from dropattack.errors import unknown
from search.space import FORMS, Range, Subsets
from search.sweep import Asha, Confirm, Grid, Limits, Resources, Sampling, Select, Stage, Sweep
from search.validity import check_meaning

_SUFFIXES = (".yaml", ".yml")


def load_sweep(source: str, overrides: Mapping[str, Any] | None = None, scale: str = "") -> Sweep:
    """Reads a sweep by bundled name or path, applies overrides, and checks everything that can be checked.

    Args:
        source: ``demo``, or ``my/sweep.yaml``.
        overrides: Dotted paths to values; stages go by name: ``{"stages.search.search.trials": 5}``.
        scale: One of the sweep's ``scales``, whose overrides come first; it becomes part of the sweep's name,
            so that its records stay apart.

    Raises:
        UsageError: The file is missing or any part of it is wrong; the message names the part.
    """
    raw = _read(source)
    if scale and isinstance(raw, dict):
        scales = raw.get("scales") or {}
        if scale not in scales:
            raise UsageError(f"{source}: {unknown('scale', scale, scales)}")
        for path, value in scales[scale].items():
            _override(raw, path, value)
        raw["name"] = f"{raw.get('name')}-{scale}"
    for path, value in (overrides or {}).items():
        _override(raw, path, value)
    return parse_sweep(raw, source)


def parse_sweep(raw: Any, source: str = "sweep") -> Sweep:
    """Checks a sweep that has been read already; see `load_sweep`."""
    if not isinstance(raw, dict):
        raise UsageError(f"{source}: a sweep file is a mapping of keys to values")
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{source}: {_first_problem(error)}") from None
    try:
        check_meaning(sweep)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    return sweep


def sweep_name(source: str) -> str:
    """The name of the sweep that ``source``, a name or a path to a file, stands for."""
    return load_sweep(source).name if Path(source).suffix in _SUFFIXES else source


def bundled_sweeps() -> list[str]:
    """Names of the sweeps that come with the package."""
    folder = resources.files("search") / "sweeps"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def _read(source: str) -> Any:
    path = Path(source)
    if path.suffix in _SUFFIXES:
        if not path.is_file():
            raise UsageError(f"there is no sweep file {source!r}")
        text = path.read_text(encoding="utf-8")
    elif source in bundled_sweeps():
        text = (resources.files("search") / "sweeps" / f"{source}.yaml").read_text(encoding="utf-8")
    else:
        raise unknown("sweep", source, bundled_sweeps())
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None


def _override(raw: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    node = raw
    for part in parents:
        if isinstance(node, list):
            node = _stage_named(node, part, path)
        elif isinstance(node, dict):
            node = node.setdefault(part, {})
        else:
            raise UsageError(f"--set {path}: {part!r} is inside a plain value")
    if not isinstance(node, dict):
        raise UsageError(f"--set {path}: {last!r} is not inside a mapping")
    node[last] = value


def _stage_named(stages: list[Any], name: str, path: str) -> Any:
    named = {str(stage.get("name")): stage for stage in stages if isinstance(stage, dict)}
    if name not in named:
        raise UsageError(f"--set {path}: {unknown('stage', name, named)}")
    return named[name]


def _first_problem(error: ValidationError) -> str:
    """One line for the most telling of pydantic's complaints."""
    problems = error.errors()
    extra = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = extra[0] if extra else problems[0]
    where = ".".join(str(part) for part in problem["loc"] if part not in _TAGS)
    if problem["type"] == "extra_forbidden":
        message = str(unknown("key", str(problem["loc"][-1]), _owner(problem["loc"]).model_fields))
        return f"{where.rpartition('.')[0] or 'top level'}: {message}"
    if problem["type"] == "too_short":
        return f"{where}: the space is empty; list at least one value"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


_TAGS = {"grid", "random", "optuna", "confirm", *FORMS}


def _owner(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The part of a sweep that holds the key at the end of ``location``."""
    tagged: dict[str, type[BaseModel]] = {
        "grid": Grid,
        "confirm": Confirm,
        "random": Sampling,
        "optuna": Sampling,
    }
    tagged |= {
        "range": Range,
        "subsets": Subsets,
        "scheduler": Asha,
        "select": Select,
        "resources": Resources,
        "limits": Limits,
    }
    parents = [tagged[str(part)] for part in location[:-1] if part in tagged]
    return parents[-1] if parents else Stage if "stages" in location else Sweep


def parse_override(text: str) -> tuple[str, Any]:
    """Splits ``training.epochs=2`` into its path and its value, read as YAML.

    Raises:
        UsageError: There is no ``=``.
    """
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise UsageError(f"--set takes path.to.key=value, not {text!r}")
    parsed = yaml.safe_load(value)
    if isinstance(parsed, float) and math.isnan(parsed):
        raise UsageError(f"--set {path}: NaN is not a value")
    return path, parsed
