"""Whether a ranking of target sets ranks layers, or how hard they were attacked."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

FACTOR = 2.0
"""Above this factor, a gain may come from the size, whatever the order."""

SAME = 1.1
"""Up to this factor, sizes count as equal, and their order says nothing."""

_FEWEST = 4
"""Target sets whose two orders agree by chance once in twelve times; fewer do so too often."""


@dataclass(frozen=True)
class Confounding:
    """The sizes of attacks, compared with the ranking of what they attacked.

    Attributes:
        smallest: The target set that was attacked least, for its norm.
        largest: The one that was attacked hardest.
        low: Relative size of the first, ‖M∘r‖ / ‖θ‖.
        high: That of the second.
        pairs: Pairs of target sets whose sizes and gains both differ.
        agreeing: In how many of these the one attacked harder gains more.
    """

    smallest: str
    largest: str
    low: float
    high: float
    pairs: int
    agreeing: int

    @property
    def factor(self) -> float:
        """Largest size over smallest."""
        return self.high / self.low


def confounding(ranked: pd.DataFrame) -> Confounding | None:
    """The sizes behind one ranking; None if sizes cannot explain it.

    Sizes can explain it if the largest is more than `FACTOR` times the smallest. They also can if they differ
    at all (by more than the factor `SAME`) and put four or more target sets in the order of their gains, or
    in its reverse.

    Args:
        ranked: Rows of one workload, training setting and scale of `rank_target_sets`.
    """
    alike = ranked[ranked["rank"].notna() & (ranked["relative_size"] > 0)].drop_duplicates("sample")
    if len(alike) < 2:
        return None
    sizes, gains = alike["relative_size"].to_numpy(), alike["gain"].to_numpy()
    by_size = alike.sort_values("relative_size", kind="stable")
    signs = [
        np.sign((sizes[i] - sizes[j]) * (gains[i] - gains[j])) for i, j in combinations(range(len(alike)), 2)
    ]
    pairs, agreeing = signs.count(1) + signs.count(-1), signs.count(1)
    found = Confounding(
        smallest=str(by_size["targets"].iloc[0]),
        largest=str(by_size["targets"].iloc[-1]),
        low=float(sizes.min()),
        high=float(sizes.max()),
        pairs=pairs,
        agreeing=agreeing,
    )
    in_order = len(alike) >= _FEWEST and agreeing in (0, pairs) and pairs == len(signs)
    return found if found.factor > FACTOR or (found.factor > SAME and in_order) else None
