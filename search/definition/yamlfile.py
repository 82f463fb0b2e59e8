"""YAML as people expect it: plain values only, no key twice, and ``1e-3`` is a number.

Reading takes bounded time and memory: the length and depth of a file are limited, and so is what its aliases
expand to.
"""

import re
from typing import Any

import yaml
from typing_extensions import override

from dropattack import UsageError
from dropattack.errors import shortened

SUFFIXES = (".yaml", ".yml", ".json")
"""How names of sweep files end."""

_LONGEST = 250_000
"""The most characters of a file."""
_DEEPEST = 40
"""The deepest nesting of lists and mappings."""
_MOST = 50_000
"""The most values, including those that aliases repeat."""
_LARGEST = 2**63
"""The bound of whole numbers."""
_MOST_DIGITS = 80
"""The most characters of a number, in any base, that may be below the bound."""
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's floats, without silent overwriting, and within limits."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._values = 0
        self._sizes: dict[int, int] = {}
        self._open: list[str] = []

    @override
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's own have no types
        before = self._values
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent) and anchor in self._open:
            raise _wrong(f"*{anchor} is used inside its own definition", event)
        if self._depth >= _DEEPEST:
            raise _wrong(f"it is nested more than {_DEEPEST} deep", event)
        self._depth += 1
        self._open.append(anchor or "")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._open.pop()
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            self._values += self._sizes[id(node)]
        else:
            self._values += 1
            self._sizes[id(node)] = self._values - before
        if self._values > _MOST:
            raise _wrong(f"it holds more than {_MOST:,} values", event)
        return node


def _wrong(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    own: set[Any] = set()
    for key, _ in node.value:
        if key.tag == _MERGE:
            continue
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong("a list or a mapping cannot be a key", key)
        name = loader.construct_object(key)
        if name in own:
            raise _wrong(f"key {name!r} is there twice", node)
        own.add(name)
    loader.flatten_mapping(node)
    return {
        loader.construct_object(key): loader.construct_object(value, deep=True) for key, value in node.value
    }


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    value = loader.construct_yaml_int(node) if len(node.value) < _MOST_DIGITS else _LARGEST
    if abs(value) >= _LARGEST:
        raise _wrong(f"the number {shortened(node.value, 20)} is too large", node)
    return int(value)


_MOST_DIGITS = 80
"""The most characters of a number, in any base, that may be below the bound."""

_Loader.yaml_constructors = {  # none of sets, ordered mappings, pairs and bytes, which no key takes
    tag: build
    for tag, build in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] not in ("set", "omap", "pairs", "binary")
}
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
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
        UsageError: It is not valid YAML, a mapping has a key twice, a date or number is invalid, or it is
            larger than any sweep.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"{source} has {len(text):,} characters; a sweep file may have at most {_LONGEST:,}")
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        told = (
            str(error) if isinstance(error, yaml.YAMLError | ValueError) else f"a value is invalid: {error}"
        )
        raise UsageError(f"{source} is not valid YAML: {shortened(' '.join(told.split()), 400)}") from None
