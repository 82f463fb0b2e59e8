"""Reads, overrides and checks sweep files; one line says what is wrong with one."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from dropattack import UsageError
from dropattack.errors import unknown
from dropattack.imported import given_only
from search.definition.notify import is_part
from search.definition.overriding import CHANGED, override
from search.definition.schema import check_schema
from search.definition.selecting import with_own_metric
from search.definition.source import given, read_source
from search.definition.sweep import Sweep
from search.definition.validity import check_meaning

_UNTOLD = ("summary", "resources")
"""Keys whose changes a summary does not list."""
_Change = tuple[str, str, Any]
"""Who changes a sweep's file, the path of the key, and its value."""


def load_sweep(source: str, overrides: Mapping[str, Any] | None = None, scale: str = "") -> Sweep:
    """Reads a sweep by bundled name or path, applies overrides, and checks everything that can be checked.

    Args:
        source: ``demo``, or ``my/sweep.yaml``.
        overrides: Values by dotted path, in which stages go by name: ``{"stages.search.search.trials": 5}``.
        scale: One of the sweep's ``scales``, whose overrides come first; it becomes part of the sweep's name,
            so that its records stay apart.

    Returns:
        The sweep; its summary is the file's, and adds what the scale and the overrides changed of what is
        asked. Where it trains (``resources``) is not.

    Raises:
        UsageError: The file is missing or any part of it is wrong, or an override is; the message names the
            part.
    """
    raw = read_source(source)
    changes = [(f"--set {path}", path, value) for path, value in (overrides or {}).items()]
    if scale:
        scales = parse_sweep(raw, source).scales
        if scale not in scales:
            raise UsageError(f"{source}: {unknown('scale', scale, scales)}")
        scaled = [(f"{source}, scale {scale}", path, value) for path, value in scales[scale].items()]
        changes = [*scaled, *changes]
        raw["name"] = f"{raw['name']}-{scale}"
    before = deepcopy(raw)
    for _, path, value in changes:
        override(raw, path, value)
    told = [
        f"{path}={json.dumps(value, default=str)}"
        for _, path, value in changes
        if path.partition(".")[0] not in _UNTOLD and not is_part(path)
    ]
    if told and isinstance(raw.setdefault("summary", ""), str):
        raw["summary"] = f"{raw['summary']} {CHANGED}{', '.join(told)}.".strip()
    try:
        return parse_sweep(raw, source)
    except UsageError as error:
        raise _blamed(error, source, before, changes) from None


def _blamed(error: UsageError, source: str, raw: Any, changes: Sequence[_Change]) -> UsageError:
    """The error, with the changes that bring it about in place of the file, unless it is the file's own.

    Args:
        error: What is wrong once all changes are made.
        source: The file.
        raw: Its plain values, without the changes.
        changes: All of them.
    """
    told = _told(error, source)
    if _fault(source, raw, ()) == told:
        return error
    guilty = [
        change for change in changes if _fault(source, raw, [c for c in changes if c is not change]) != told
    ]
    return UsageError(f"{' and '.join(dict.fromkeys(who for who, _, _ in guilty or changes))}: {told}")


def _fault(source: str, raw: Any, changes: Iterable[_Change]) -> str:
    """What is wrong once some changes are made; "" if nothing is."""
    raw = deepcopy(raw)
    try:
        for _, path, value in changes:
            override(raw, path, deepcopy(value))
        parse_sweep(raw, source)
    except UsageError as error:
        return _told(error, source)
    return ""


def _told(error: UsageError, source: str) -> str:
    """What is wrong, without the file and the line."""
    return re.sub(rf"^{re.escape(source)}(, line \d+)?: ", "", str(error))


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
