"""fANOVA (Hutter et al., ICML 2014): what each hyperparameter explains alone of a forest's variance."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

_DEPTH = 64
_LARGEST_SEED = 2**31 - 1
Array = NDArray[np.float64]


def main_effects(x: Array, y: Array, *, trees: int, rng: np.random.Generator) -> Array | None:
    """Shares of the variance that features explain alone, in a forest of regression trees.

    Each tree is fitted to a bootstrap sample. Its variance is that over the box that the features span, in
    which they are independent and uniform, as section 3 of the paper has it.

    Args:
        x: ``[n, features]``, each feature with at least two values.
        y: ``[n]``.
        trees: How many.
        rng: Draws the samples.

    Returns:
        ``[features]``, a mean over those trees that split; each is in [0, 1] and their sum at most 1. Nothing
        where no tree splits.
    """
    low, high = x.min(axis=0), x.max(axis=0)
    unit = ((x - low) / (high - low)).astype(np.float32)
    found = []
    for _ in range(trees):
        weights = np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y)).astype(float)
        tree = DecisionTreeRegressor(max_depth=_DEPTH, random_state=int(rng.integers(_LARGEST_SEED)))
        tree.fit(unit, y, sample_weight=weights, check_input=False)
        shares = _shares(*_leaves(tree, unit.shape[1]))
        if shares is not None:
            found.append(shares)
    return cast(Array, np.mean(found, axis=0)) if found else None


def _leaves(fitted: DecisionTreeRegressor, features: int) -> tuple[Array, Array, Array]:
    """Lower and upper ends of the leaves' boxes in the unit cube, ``[leaves, features]``; their values."""
    tree = fitted.tree_
    low, high = np.zeros((tree.node_count, features)), np.ones((tree.node_count, features))
    for node in range(tree.node_count):  # a node's number is smaller than those of its children
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            continue
        feature, threshold = tree.feature[node], tree.threshold[node]
        low[[left, right]], high[[left, right]] = low[node], high[node]
        high[left, feature] = low[right, feature] = threshold
    leaves = tree.children_left < 0
    return low[leaves], high[leaves], tree.value[leaves, 0, 0]


def _shares(low: Array, high: Array, value: Array) -> Array | None:
    """Variances of the marginal means over each feature, as shares of the whole variance."""
    lengths = high - low
    volume = lengths.prod(axis=1)
    mean = volume @ value
    whole = volume @ (value - mean) ** 2
    if not whole > 0:
        return None
    shares = np.empty(low.shape[1])
    for feature in range(low.shape[1]):
        others = np.delete(lengths, feature, axis=1).prod(axis=1) * (value - mean)
        ends = np.unique(low[:, feature])
        within = (low[:, feature] <= ends[:, None]) & (ends[:, None] < high[:, feature])
        shares[feature] = np.diff(ends, append=1.0) @ (within @ others) ** 2
    return cast(Array, shares / whole)
