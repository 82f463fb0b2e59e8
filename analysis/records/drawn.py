"""Settings of training, data and model that every search of a sweep draws from a range.

Hardly two trials share such a setting, so that a comparison at equal settings has nothing to compare.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.records.identity import SIZE

_SECTIONS = ("training", "data", "model")
_SAMPLED = ("optuna", "random")


def drawn_settings(sweep: Mapping[str, Any], stages: Sequence[str]) -> list[str]:
    """Columns of settings that each of some stages draws from a range.

    A stage that lays out a grid draws nothing: its range is a list. The number of training examples is a
    question of a sweep, and never counts as drawn.

    Args:
        sweep: The sweep as plain values.
        stages: Names of the stages that tried attacks, but for confirmations.

    Examples:
        >>> lr = {"learning_rate": {"low": 0.001, "high": 0.1}}
        >>> stage = {"name": "search", "search": {"kind": "optuna", "trials": 9}}
        >>> drawn_settings({"training": lr, "stages": [stage]}, ["search"])
        ['training.learning_rate']
    """
    known = {stage.get("name"): stage for stage in sweep.get("stages", ())}
    found = [_of(sweep, known[name]) if name in known else set() for name in stages]
    return sorted(set.intersection(*found) - {SIZE}) if found else []


def names_of(columns: Sequence[str]) -> str:
    """What people call such columns: ``learning rate and weight decay``."""
    return " and ".join(column.rpartition(".")[2].replace("_", " ") for column in columns)


def _of(sweep: Mapping[str, Any], stage: Mapping[str, Any]) -> set[str]:
    """Columns of what one stage draws; what it sets itself goes before what the sweep sets."""
    search = stage.get("search")
    if not isinstance(search, Mapping) or search.get("kind") not in _SAMPLED:
        return set()
    found = set()
    for section in _SECTIONS:
        settings = {**(sweep.get(section) or {}), **(stage.get(section) or {})}
        found |= {f"{section}.{name}" for name, value in settings.items() if _is_range(value)}
    return found


def _is_range(value: Any) -> bool:
    return isinstance(value, Mapping) and {"low", "high"} <= value.keys()
