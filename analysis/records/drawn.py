"""Settings of training, data and model that a sweep draws from a range, instead of trying some values."""

from collections.abc import Iterator, Mapping
from typing import Any

_SECTIONS = ("training", "data", "model")


def drawn_settings(sweep: Mapping[str, Any]) -> list[str]:
    """Columns of settings that a sweep, a stage or a method of one gives as a range.

    Args:
        sweep: The sweep as plain values.

    Examples:
        >>> drawn_settings({"training": {"learning_rate": {"low": 0.001, "high": 0.1}, "epochs": [8, 16]}})
        ['training.learning_rate']
    """
    found = {f"{section}.{name}" for section, name, value in _settings(sweep) if _is_range(value)}
    return sorted(found)


def _settings(place: Any) -> Iterator[tuple[str, str, Any]]:
    """Every setting of a section, however deep in a sweep it stands."""
    if isinstance(place, Mapping):
        for name, inside in place.items():
            if name in _SECTIONS and isinstance(inside, Mapping):
                yield from ((name, setting, value) for setting, value in inside.items())
            else:
                yield from _settings(inside)
    elif isinstance(place, list | tuple):
        for inside in place:
            yield from _settings(inside)


def _is_range(value: Any) -> bool:
    return isinstance(value, Mapping) and {"low", "high"} <= value.keys()
