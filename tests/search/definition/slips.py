"""A sweep file without a fault, and what is said of it once something in it is changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError

GOOD = """name: tiny
workload: digits-lenet5
training: {epochs: 2, train_size: 200}
seeds: [0]
stages:
  - name: baseline
    search: grid
    methods: {standard: {}}
  - name: search
    search: {kind: optuna, trials: 4}
    methods:
      dropattack: {epsilon: [0.1, 5], targets: input}
select: {metric: accuracy}
resources: {cpus: 1}
"""


def refusal(read: Callable[[str], Any], path: Path, content: str | bytes) -> str:
    """What is said of a file with this content.

    Args:
        read: What reads a file, by its path.
        path: Where to write it.
        content: Text, in UTF-8, or bytes.
    """
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as refused:
        read(str(path))
    return str(refused.value)


def changed(right: str, wrong: str) -> str:
    """The good file with a part replaced, which must be in it."""
    assert right in GOOD
    return GOOD.replace(right, wrong, 1)
