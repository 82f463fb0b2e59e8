"""Values of a sweep's file that a run changes by their dotted paths, as ``--set`` names them."""

import json
from typing import Any

from dropattack import UsageError
from dropattack.errors import shortened, unknown
from search.definition.yamlfile import read_yaml

CHANGED = "Changed: "
"""Begins the sentence of a summary that lists what a run changed of its file."""


def changes_in(summary: str) -> dict[str, Any]:
    """What a run changed of its file, by dotted path, as the summary of the sweep that ran lists it.

    Examples:
        >>> changes_in('Does it help? Changed: seeds=[0, 1], stages.search.search.trials=5.')
        {'seeds': [0, 1], 'stages.search.search.trials': 5}
    """
    found: dict[str, Any] = {}
    _, _, left = summary.rpartition(CHANGED)
    while "=" in left:
        path, _, left = left.partition("=")
        try:
            found[path], end = json.JSONDecoder().raw_decode(left)
        except ValueError:  # words of the summary's own
            return {}
        left = left[end:].removeprefix(", ")
    return found


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
