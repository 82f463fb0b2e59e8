"""How numbers are written, alike on pages, in terminals and in MLflow."""

import math
from collections.abc import Sequence

from analysis.records import Metric

_TYPOGRAPHIC = str.maketrans({"-": "−"})


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """A number for people, with a real minus sign; a dash if it is missing, and no sign before a zero.

    Examples:
        >>> number(-0.5, signed=True)
        '−0.50'
        >>> number(-0.001)
        '0.00'
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isfinite(value) and float(f"{value:.{digits}f}") == 0:
        return f"{0:.{digits}f}"
    return f"{value:{'+' if signed else ''}.{digits}f}".translate(_TYPOGRAPHIC).replace("inf", "∞")


def with_interval(center: float, low: float, high: float, metric: Metric, *, signed: bool = False) -> str:
    """``90.12 [89.90, 90.34]`` in the metric's unit; the ends stay within what the metric can be.

    Args:
        center: The estimate.
        low: Lower end of its interval; NaN if there is none: then only the estimate is written.
        high: Upper end.
        metric: The metric that is estimated.
        signed: Whether it is a gain, which has a sign and its own bounds.
    """
    scale, digits = metric.scale, metric.decimals
    middle = number(center * scale, digits, signed=signed)
    if math.isnan(low):
        return middle
    least, most = metric.gain_bounds if signed else metric.bounds
    ends = (number(min(max(end, least), most) * scale, digits, signed=signed) for end in (low, high))
    return f"{middle} [{', '.join(ends)}]"


def values_or_interval(
    center: float, low: float, high: float, n: float, sd: float, metric: Metric, *, signed: bool = False
) -> str:
    """`with_interval`; of two values, which have no interval, mean and values: ``90.1 (89.9 and 90.3)``.

    Args:
        center: Their mean.
        low: See `with_interval`.
        high: See `with_interval`.
        n: How many values.
        sd: Their standard deviation, with n - 1.
        metric: See `with_interval`.
        signed: See `with_interval`.
    """
    text = with_interval(center, low, high, metric, signed=signed)
    if n != 2 or not math.isnan(low) or math.isnan(sd):
        return text
    half, scale, digits = sd / math.sqrt(2), metric.scale, metric.decimals
    both = (number(value * scale, digits, signed=signed) for value in (center - half, center + half))
    return f"{text} ({' and '.join(both)})"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; at least one name."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def seeds_text(count: float) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{count:.0f} seed{'' if count == 1 else 's'}"


def p_value(p: float) -> str:
    """A p-value for people."""
    return "–" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
