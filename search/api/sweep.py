"""Sweeps, built or changed in Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dropattack import UsageError
from dropattack.imported import give
from search.definition import sweep as definition
from search.definition.overriding import override
from search.definition.schema import check_schema
from search.definition.source import named, sweep_name
from search.definition.sweepfile import checked, load_sweep, parse_sweep


class Sweep(definition.Sweep):
    """Builds a sweep from the keys of a sweep file as keywords, and checks it as a file.

    Examples:
        >>> sweep = Sweep(
        ...     name="mine",
        ...     workload="digits-lenet5",
        ...     stages=[{"name": "grid", "methods": {"standard": {}, "dropattack": {"p": [0.3, 0.7]}}}],
        ... )
        >>> sweep.set("seeds", [0, 1, 2]).seeds
        (0, 1, 2)

    Raises:
        UsageError: A key or value is wrong; the message names it.
    """

    def __init__(self, **keys: Any) -> None:
        super().__init__(**parse_sweep(keys, "Sweep").model_dump())

    @classmethod
    def load(cls, source: str | Path, overrides: Mapping[str, Any] | None = None, scale: str = "") -> Self:
        """Reads a sweep by bundled name or path; see `search.definition.sweepfile.load_sweep`."""
        return cls.of(load_sweep(str(source), overrides, scale))

    @classmethod
    def of(cls, sweep: definition.Sweep) -> Self:
        """Returns a sweep that was read, as it is; the code that it names does not count as given."""
        return cls.model_construct(set(sweep.model_fields_set), **dict(sweep))

    def set(self, path: str, value: Any) -> Self:
        """Returns the same sweep with one key changed.

        It imports code that the value names, but not code that a store's sweep names.

        Args:
            path: Such as ``seeds`` or ``stages.search.search.trials``: stages go by name.
            value: Its new value.

        Raises:
            UsageError: There is no such key, or the value is wrong.
        """
        keys = self.model_dump(mode="json")
        try:
            override(keys, path, value)
        except UsageError as error:
            raise UsageError(str(error).replace("--set ", "set ", 1)) from None
        changed = check_schema(keys, "Sweep")
        give(named(changed) - named(self))
        return type(self).of(checked(changed, "Sweep"))


def as_defined(sweep: definition.Sweep | str | Path) -> definition.Sweep:
    """Returns the sweep of a `Sweep`, a name or a path.

    A person who built a sweep, or named a file of their own, has given the code in it by then.

    Raises:
        UsageError: It is wrong in any way.
    """
    if isinstance(sweep, str | Path):
        return load_sweep(str(sweep))
    return checked(check_schema(sweep.model_dump(mode="json"), sweep.name), sweep.name)


def name_of(sweep: definition.Sweep | str | Path) -> str:
    """Returns the name of the sweep of a `Sweep`, a name or a path.

    Raises:
        UsageError: A file cannot be read, or nothing could be called so.
    """
    return sweep.name if isinstance(sweep, definition.Sweep) else sweep_name(str(sweep))
