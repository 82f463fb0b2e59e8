"""YAML as people expect it: plain values only, no key twice, and ``1e-3`` is a number.

Reading takes bounded time and memory: the length and depth of a file are limited, and so is what its aliases
expand to.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from dropattack import UsageError
from dropattack.errors import shortened
from search.definition.yamlwords import PlainError, in_words

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
    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError):
            raise _wrong("this value is not what its tag, which begins with !!, says it is", node) from None

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


def _wrong(problem: str, at: Any) -> PlainError:
    return PlainError(problem=problem, problem_mark=at.start_mark)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    own: set[Any] = set()
    for key, _ in node.value:
        if key.tag == _MERGE:
            continue
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong("a list or a mapping cannot be a key", key)
        name = loader.construct_object(key)
        if name in own:
            raise _wrong(f"key {name!r} is there twice; keep one of the two", key)
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


_Loader.yaml_constructors = {  # none of sets, ordered mappings, pairs and bytes, which no key takes
    tag: build
    for tag, build in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.rpartition(":")[2] not in ("set", "omap", "pairs", "binary", "timestamp")
}
_Loader.yaml_implicit_resolvers = {  # a date is text, as in YAML 1.2
    first: [(tag, form) for tag, form in forms if not tag.endswith(":timestamp")]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
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
        UsageError: It is not valid YAML, a mapping has a key twice, a number is invalid, or it is larger than
            any sweep. The message names the line and what to write instead.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"{source} has {len(text):,} characters; a sweep file may have at most {_LONGEST:,}")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        line, told = in_words(error, text)
        where = f"{source}, line {line}" if "\n" in text.strip() else source
        raise UsageError(f"{where}: not valid YAML: {shortened(' '.join(told.split()), 400)}") from None


def read_text(source: str) -> str:
    """The text of a file.

    Raises:
        UsageError: It cannot be read, or is no text in UTF-8.
    """
    try:
        return Path(source).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{source} cannot be read: line {line} is no text in UTF-8; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from None


def line_of(source: str, keys: Sequence[int | str], raw: Any) -> int:
    """The line of a file, from 1, in which a place of its plain values begins.

    Args:
        source: A file that was read, or another name of what was.
        keys: Keys and positions that lead there; the last ones may be missing in the file.
        raw: The plain values. If they differ from the file's there, as after ``--set``, there is no line.

    Returns:
        0 where there is none.
    """
    if Path(source).suffix not in SUFFIXES or not keys:
        return 0
    try:
        text = read_text(source)
        node: Any = yaml.compose(text, Loader=_Loader)
        now: Any = read_yaml(text, source)
    except (UsageError, yaml.YAMLError):
        return 0
    line = 0
    for key in keys:
        entries = node.value if isinstance(node, yaml.MappingNode | yaml.SequenceNode) else []
        if isinstance(node, yaml.SequenceNode):
            found = [(each, each) for each in entries[key : key + 1]] if isinstance(key, int) else []
        else:
            found = [(name, each) for name, each in entries if name.value == str(key)]
        if not found or not isinstance(now, dict | list) or not isinstance(raw, dict | list):
            break
        try:
            now, raw = now[key], raw[key]  # type: ignore[index]  # the kind fits
        except (LookupError, TypeError):
            return 0
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line if now == raw else 0
