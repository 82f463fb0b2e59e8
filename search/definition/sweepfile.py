"""Reads, overrides and checks sweep files; one line says what is wrong with one."""

import json
from collections.abc import Mapping
from typing import Any

from dropattack import UsageError
from dropattack.errors import shortened, unknown
from dropattack.imported import given_only
from search.definition.notify import is_part
from search.definition.schema import check_schema
from search.definition.selecting import with_own_metric
from search.definition.source import given, read_source
from search.definition.sweep import Sweep
from search.definition.validity import check_meaning
from search.definition.yamlfile import read_yaml


def load_sweep(source: str, overrides: Mapping[str, Any] | None = None, scale: str = "") -> Sweep:
    """Reads a sweep by bundled name or path, applies overrides, and checks everything that can be checked.

    Args:
        source: ``demo``, or ``my/sweep.yaml``.
        overrides: Values by dotted path, in which stages go by name: ``{"stages.search.search.trials": 5}``.
        scale: One of the sweep's ``scales``, whose overrides come first; it becomes part of the sweep's name,
            so that its records stay apart.

    Returns:
        The sweep; its summary is the file's, and adds what the scale and the overrides changed.

    Raises:
        UsageError: The file is missing or any part of it is wrong; the message names the part.
    """
    raw = read_source(source)
    changes = list((overrides or {}).items())
    if scale:
        scales = parse_sweep(raw, source).scales
        if scale not in scales:
            raise UsageError(f"{source}: {unknown('scale', scale, scales)}")
        changes = [*scales[scale].items(), *changes]
        raw["name"] = f"{raw['name']}-{scale}"
    for path, value in changes:
        override(raw, path, value)
    told = [
        f"{path}={json.dumps(value, default=str)}"
        for path, value in changes
        if path != "summary" and not is_part(path)
    ]
    if told and isinstance(raw.setdefault("summary", ""), str):
        raw["summary"] = f"{raw['summary']} {_CHANGED}{', '.join(told)}.".strip()
    return parse_sweep(raw, source)


_CHANGED = "Changed: "
"""Begins the sentence of a summary that lists what a run changed of its file."""


def changes_in(summary: str) -> dict[str, Any]:
    """What a run changed of its file, by dotted path, as the summary of the sweep that ran lists it.

    Examples:
        >>> changes_in('Does it help? Changed: seeds=[0, 1], stages.search.search.trials=5.')
        {'seeds': [0, 1], 'stages.search.search.trials': 5}
    """
    found: dict[str, Any] = {}
    _, _, left = summary.rpartition(_CHANGED)
    while "=" in left:
        path, _, left = left.partition("=")
        try:
            found[path], end = json.JSONDecoder().raw_decode(left)
        except ValueError:  # words of the summary's own
            return {}
        left = left[end:].removeprefix(", ")
    return found


def parse_sweep(raw: Any, source: str = "sweep") -> Sweep:
    """Checks a sweep that has been read already; see `load_sweep`."""
    return checked(given(check_schema(raw, source), source), source)


@given_only()
def checked(sweep: Sweep, source: str) -> Sweep:
    """Checks the meaning of a sweep, and adds what it selects by; imports only code that a person gave.

    Args:
        sweep: It has the form of one.
        source: Its name in messages.

    Raises:
        UsageError: Any part of it is wrong; the message names the part.
    """
    try:
        sweep = with_own_metric(sweep)
        check_meaning(sweep)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    return sweep


def override(raw: Any, path: str, value: Any) -> None:
    """Sets a key of a sweep's plain values by its dotted path, in which stages go by name.

    Raises:
        UsageError: There is no place of that name.
    """
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


def parse_override(text: str) -> tuple[str, Any]:
    """Splits ``training.epochs=2`` into its path and its value, read as YAML.

    Raises:
        UsageError: There is no ``=``.
    """
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise UsageError(f"--set takes path.to.key=value, not {shortened(text)!r}")
    return path, read_yaml(value, f"--set {path}")
