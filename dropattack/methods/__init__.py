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
    fast,
    free_attacks,
    input_attacks,
    msam,
    penalties,
    pgd,
    r_drop,
    rwp,
    sam,
    standard,
    trades,
    vat,
)

__all__ = [
    "apb",
    "awp",
    "dropattack",
    "dropen",
    "dropen_pgd",
    "dropout",
    "fast",
    "free_attacks",
    "input_attacks",
    "msam",
    "penalties",
    "pgd",
    "r_drop",
    "rwp",
    "sam",
    "standard",
    "trades",
    "vat",
]
