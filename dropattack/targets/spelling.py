"""The spelling of sets of targets: one string, ``input+conv1.w``, in sweep files, stores and reports alike.

Lists and tuples would be no stable keys there.
"""

import re

from dropattack.errors import UsageError

INPUT = "input"
_MOST_DIGITS = 1000
"""The digits of a number in a name that decide its order; Python refuses to read several thousand."""


def parse_targets(text: str) -> tuple[str, ...]:
    """Splits ``"conv1.w+input"`` into its names, in canonical order: the input first, then by name.

    Raises:
        UsageError: A name is empty or occurs twice.

    Examples:
        >>> parse_targets("conv10.w+conv2.w+input")
        ('input', 'conv2.w', 'conv10.w')
    """
    names = [name.strip() for name in text.split("+")]
    if not all(names):
        raise UsageError(f"targets {text!r} hold an empty name; write them as 'input+conv1.w'")
    if len(set(names)) < len(names):
        raise UsageError(f"targets {text!r} name one target twice")
    return tuple(sorted(names, key=lambda name: (not is_input(name), natural_order(name))))


def is_input(name: str) -> bool:
    """Whether a name stands for what a model is called with: ``input``, or one argument as ``input.image``.

    Parameters of a layer that is called ``input`` are not: ``input.weight``, ``input.bias``.

    Examples:
        >>> [is_input(name) for name in ("input", "input.image", "input.weight", "conv1.w")]
        [True, True, False, False]
    """
    head, _, argument = name.partition(".")
    if head != INPUT:
        return False
    return name == INPUT or (argument.isidentifier() and not argument.startswith(("weight", "bias")))


def canonical_targets(text: str) -> str:
    """The one spelling of a set of targets; see `parse_targets`."""
    return "+".join(parse_targets(text))


def natural_order(name: str) -> list[tuple[int, int | str]]:
    """A sort key for names that orders numbers by value: ``conv2.w`` before ``conv10.w``."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return [(0, int(part[:_MOST_DIGITS])) if part.isdecimal() else (1, part) for part in parts]
