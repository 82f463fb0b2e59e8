"""YAML as people expect it: plain values only, no key twice, and ``1e-3`` is a number."""

import re
from typing import Any

import yaml

from dropattack import UsageError

SUFFIXES = (".yaml", ".yml", ".json")
"""How names of sweep files end."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's floats, and without silent overwriting."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = [key for number, key in enumerate(keys) if key in keys[:number]]
    if twice:
        raise yaml.MarkedYAMLError(
            problem=f"key {twice[0]!r} stands there twice", problem_mark=node.start_mark
        )
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)


def read_yaml(text: str, source: str) -> Any:
    """Reads YAML into plain values.

    Args:
        text: What to read.
        source: Where it is from, for messages.

    Raises:
        UsageError: It is not valid YAML, a mapping has a key twice, or a date or number is none.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None
