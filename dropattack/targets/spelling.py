"""How sets of targets are spelt: one string, ``input+conv1.w``, in sweep files, storages and reports alike.

Lists and tuples are not stable keys there.
"""

import re

from dropattack.errors import UsageError

INPUT = "input"


def parse_targets(text: str) -> tuple[str, ...]:
    """Splits ``"conv1.w+input"`` into its names, in canonical order: the input first, then by name.

    Raises:
        UsageError: A name is empty or stands there twice.

    Example:
        >>> parse_targets("conv10.w+conv2.w+input")
        ('input', 'conv2.w', 'conv10.w')
    """
    names = [name.strip() for name in text.split("+")]
    if not all(names):
        raise UsageError(f"targets {text!r} hold an empty name; write them as 'input+conv1.w'")
    if len(set(names)) < len(names):
        raise UsageError(f"targets {text!r} name one target twice")
    return tuple(sorted(names, key=lambda name: (name != INPUT, natural_order(name))))


def canonical_targets(text: str) -> str:
    """The one spelling of a set of targets; see `parse_targets`."""
    return "+".join(parse_targets(text))


def natural_order(name: str) -> list[tuple[int, int | str]]:
    """What a name is sorted by, numbers in it by their value: ``conv2.w`` before ``conv10.w``."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]
