"""The training methods, one idea each: every file reads like the equation of its source.

Importing this package registers all of them.
"""

from dropattack.methods import (
    apb,
    awp,
    dropattack,
    dropen,
    dropen_pgd,
    dropout,
    free_attacks,
    input_attacks,
    penalties,
    rwp,
    sam,
    standard,
)

__all__ = [
    "apb",
    "awp",
    "dropattack",
    "dropen",
    "dropen_pgd",
    "dropout",
    "free_attacks",
    "input_attacks",
    "penalties",
    "rwp",
    "sam",
    "standard",
]
