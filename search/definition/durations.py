"""How sweep files write lengths of time: ``90s``, ``10min``, ``2h``."""

import re

_WRITTEN = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def seconds_of(written: str) -> float:
    """A length of time in seconds, > 0.

    Raises:
        ValueError: It is no length of time, or is written in another way.

    Examples:
        >>> seconds_of("10min"), seconds_of("1.5 h")
        (600.0, 5400.0)
    """
    found = _WRITTEN.fullmatch(written.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds <= 0:
        raise ValueError(f"{written!r} is no length of time; write it as 90s, 10min or 2h")
    return seconds
