"""Sweeps, built or changed in Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dropattack import UsageError
from search.definition import sweep as definition
from search.definition.sweepfile import load_sweep, override, parse_sweep


class Sweep(definition.Sweep):
    """A sweep, with the keys of a sweep file as keywords; checked as a file is.

    Example:
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
        return cls(**load_sweep(str(source), overrides, scale).model_dump())

    def set(self, path: str, value: Any) -> Self:
        """The same sweep with one key changed.

        Args:
            path: Such as ``seeds`` or ``stages.search.search.trials``: stages go by name.
            value: What it shall hold.

        Raises:
            UsageError: There is no such key, or the value is wrong.
        """
        keys = self.model_dump(mode="json")
        try:
            override(keys, path, value)
        except UsageError as error:
            raise UsageError(str(error).replace("--set ", "set ", 1)) from None
        return type(self)(**keys)


def as_defined(sweep: definition.Sweep | str | Path) -> definition.Sweep:
    """A sweep as the other packages know it, from whatever stands for one.

    Raises:
        UsageError: It is wrong in any way.
    """
    if isinstance(sweep, str | Path):
        return load_sweep(str(sweep))
    return parse_sweep(sweep.model_dump(mode="json"), sweep.name)
