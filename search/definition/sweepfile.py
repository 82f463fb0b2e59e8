"""Sweep files: found by name or path, overridden, read, and refused in one line where they are wrong."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dropattack import UsageError
from dropattack.errors import unknown
from search.definition.space import FORMS, Interval, Subsets
from search.definition.sweep import Asha, Confirm, Grid, Limits, Resources, Sampling, Select, Stage, Sweep
from search.definition.validity import check_meaning
from search.definition.yamlfile import SUFFIXES, read_yaml


def load_sweep(source: str, overrides: Mapping[str, Any] | None = None, scale: str = "") -> Sweep:
    """Reads a sweep by bundled name or path, applies overrides, and checks everything that can be checked.

    Args:
        source: ``demo``, or ``my/sweep.yaml``.
        overrides: Dotted paths to values; stages go by name: ``{"stages.search.search.trials": 5}``.
        scale: One of the sweep's ``scales``, whose overrides come first; it becomes part of the sweep's name,
            so that its records stay apart.

    Returns:
        The sweep; its summary, which its file wrote, also says what the scale and the overrides changed.

    Raises:
        UsageError: The file is missing or any part of it is wrong; the message names the part.
    """
    raw = _read(source)
    changes = list((overrides or {}).items())
    if scale:
        scales = parse_sweep(raw, source).scales
        if scale not in scales:
            raise UsageError(f"{source}: {unknown('scale', scale, scales)}")
        changes = [*scales[scale].items(), *changes]
        raw["name"] = f"{raw['name']}-{scale}"
    for path, value in changes:
        _override(raw, path, value)
    told = [f"{path}={json.dumps(value, default=str)}" for path, value in changes if path != "summary"]
    if told and isinstance(raw.setdefault("summary", ""), str):
        raw["summary"] = f"{raw['summary']} Changed: {', '.join(told)}.".strip()
    return parse_sweep(raw, source)


def parse_sweep(raw: Any, source: str = "sweep") -> Sweep:
    """Checks a sweep that has been read already; see `load_sweep`."""
    if not isinstance(raw, dict):
        raise UsageError(f"{source}: a sweep file is a mapping of keys to values")
    try:
        sweep = Sweep.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{source}: {_first_problem(error, raw)}") from None
    try:
        check_meaning(sweep)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    return sweep


def sweep_name(source: str) -> str:
    """The name of the sweep that ``source``, a name or a path to a file, stands for."""
    return load_sweep(source).name if Path(source).suffix in SUFFIXES else source


def bundled_sweeps() -> list[str]:
    """Names of the sweeps that come with the package."""
    folder = resources.files("search") / "sweeps"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def _read(source: str) -> Any:
    path = Path(source)
    if path.suffix in SUFFIXES:
        if not path.is_file():
            raise UsageError(f"there is no sweep file {source!r}")
        try:
            return read_yaml(path.read_text(encoding="utf-8"), source)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{source} cannot be read: {error}") from None
    if source in bundled_sweeps():
        text = (resources.files("search") / "sweeps" / f"{source}.yaml").read_text(encoding="utf-8")
        return read_yaml(text, source)
    raise unknown("sweep", source, bundled_sweeps())


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
    if isinstance(node, list) and last.isdigit():
        raise UsageError(f"--set {path}: lists are set as a whole, such as {'.'.join(parents)}=[0, 1]")
    if not isinstance(node, dict):
        raise UsageError(f"--set {path}: {last!r} is not inside a mapping")
    node[last] = value


def _stage_named(stages: list[Any], name: str, path: str) -> Any:
    named = {str(stage.get("name")): stage for stage in stages if isinstance(stage, dict)}
    if name not in named:
        raise UsageError(f"--set {path}: {unknown('stage', name, named)}")
    return named[name]


def _first_problem(error: ValidationError, raw: Any) -> str:
    """One line for the most telling of pydantic's complaints."""
    problems = error.errors()
    extra = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = extra[0] if extra else problems[0]
    kind, location = problem["type"], problem["loc"]
    where = _where([part for part in location if part not in _TAGS], raw)
    if kind == "extra_forbidden":
        message = str(unknown("key", str(location[-1]), _owner(location).model_fields))
        return f"{where.rpartition('.')[0] or 'top level'}: {message}"
    if kind == "union_tag_invalid":
        valid = ("asha", "none") if location[-1] == "scheduler" else ("grid", "random", "optuna", "confirm")
        return f"{where}: {unknown('kind', str(problem['ctx']['tag']), valid)}"
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
        "range": Interval,
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
    return path, read_yaml(value, f"--set {path}")
