"""How sweep files write seeds: one by one, or all from the lowest to the highest."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

MOST = 10_000
"""The most seeds of one range."""


def one_by_one(written: Any) -> Any:
    """Seeds one by one; what is no range of them stays as it is.

    Args:
        written: What a sweep file has: a list, or ``{low: 100, high: 129}`` with both ends.

    Raises:
        ValueError: It is a range of another form, or an empty or enormous one.

    Examples:
        >>> one_by_one({"low": 7, "high": 9})
        [7, 8, 9]
    """
    if not isinstance(written, dict):
        return written
    low, high = written.get("low"), written.get("high")
    if set(written) != {"low", "high"} or not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError("must be a list of whole numbers, or a range of them: {low: 0, high: 9}")
    if not low <= high:
        raise ValueError(f"low is {low}, which is above high, {high}")
    if high - low >= MOST:
        raise ValueError(f"has {high - low + 1:,} seeds; write at most {MOST:,}")
    return list(range(low, high + 1))


Seeds = Annotated[tuple[int, ...], Field(min_length=1), BeforeValidator(one_by_one)]
"""Seeds of a sweep or of a confirmation, at least one."""
