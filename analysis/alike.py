"""Which reasons of failures are the same but for their numbers."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(
    r"(?<!\.py:)(?<![\w.])(?:0x[0-9a-f]+|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?!\w)", re.IGNORECASE
)
"""A number, except in a name such as ``conv1`` and in a place such as ``waves.py:31``."""


def without_numbers(text: str) -> str:
    """A text with its numbers left out, by which texts are grouped.

    Examples:
        >>> without_numbers("RuntimeError: conv1 gave -2.5e-3 of 7 (waves.py:31 in forward)")
        'RuntimeError: conv1 gave … of … (waves.py:31 in forward)'
    """
    return _NUMBER.sub("…", text)


def common(texts: Sequence[str]) -> str:
    """What to show for texts that are alike: the text itself if they all are the same.

    Examples:
        >>> common(["nan in epoch 3", "nan in epoch 3"]), common(["nan in epoch 3", "nan in epoch 4"])
        ('nan in epoch 3', 'nan in epoch …')
    """
    return texts[0] if len(set(texts)) == 1 else without_numbers(texts[0])
