"""Surfaces of gains over ε, p and K, fitted to recorded sweeps: what simulations of searches draw from.

`measured/surfaces.csv` has a row for each cell of a grid: how much its mean over seeds gains over plain
training, in points. ``digits`` is LeNet-5 on the digits, ``input+conv1.w``, validation accuracy of six
epochs; ``imdb`` is Table 10 of the DropAttack paper, an LSTM on IMDB, test accuracy. The sweep of the first
one:

    python -m benchmarks.surfaces STORE SWEEP   # prints the rows of a recorded sweep
"""

import csv
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.records.store import Store

PATH = Path(__file__).parent / "measured" / "surfaces.csv"
NAMES = ("digits", "imdb")
Array = NDArray[np.float64]


@cache
def cells(name: str) -> tuple[Array, Array]:
    """The cells of a surface, log₁₀ ε, p and K of each, ``[cells, 3]``, and their gains, ``[cells]``."""
    with PATH.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["surface"] == name]
    places = [[np.log10(float(row["epsilon"])), float(row["p"]), float(row["k"])] for row in rows]
    return np.array(places), np.array([float(row["gain"]) for row in rows])


@cache
def fitted(name: str) -> tuple[Array, float]:
    """Coefficients of a surface by least squares, and the share of the cells' variance that it explains."""
    places, gains = cells(name)
    coefficients, *_ = np.linalg.lstsq(_terms(places, name), gains, rcond=None)
    left = gains - _terms(places, name) @ coefficients
    return np.asarray(coefficients, np.float64), float(1 - left.var() / gains.var())


def _terms(places: Array, name: str) -> Array:
    """Of second degree in log ε and p; with several K of the surface also K, and its product with log ε."""
    size, p, k = places.T
    columns = [np.ones_like(p), size, p, size**2, p**2, size * p]
    if len(np.unique(cells(name)[0][:, 2])) > 1:
        columns += [k, k * size]
    return np.stack(columns, axis=1)


def draw(name: str, rng: np.random.Generator, count: int, effect: float) -> Array:
    """True gains of configurations drawn evenly in log ε, p and K of a surface, ``[count]``, in points.

    The surface is moved as a whole, so that the best place of its range gains ``effect``.
    """
    places, _ = cells(name)
    coefficients, _ = fitted(name)
    (*low, _), (*high, _), steps = places.min(axis=0), places.max(axis=0), np.unique(places[:, 2])
    drawn = np.column_stack([rng.uniform(low, high, (count, 2)), rng.choice(steps, count)])
    axes = [np.linspace(*ends, 41) for ends in zip(low, high, strict=True)]
    everywhere = np.stack(np.meshgrid(*axes, steps), axis=-1).reshape(-1, 3)
    top = (_terms(everywhere, name) @ coefficients).max()
    return np.asarray(_terms(drawn, name) @ coefficients - top + effect)


def rows(store: Store, sweep: str) -> list[tuple[float, float, int, float, int]]:
    """ε, p, K, gain over plain training in points and number of seeds of each cell of a recorded sweep.

    Seeds are paired: a cell gains what its trainings have over those of plain training on the same seeds.
    """
    select = store.recorded(sweep).select
    plain: dict[int, float] = {}
    found: dict[tuple[float, float, int], dict[int, float]] = defaultdict(dict)
    for record in store.complete(sweep):
        value, settings = record.value(select), record.trial.hyperparameters
        if value is None:
            continue
        if record.trial.method == "standard":
            plain[record.trial.seed] = value
        else:
            place = (float(settings["epsilon"]), float(settings["p"]), int(settings["k"]))
            found[place][record.trial.seed] = value
    return [
        (*place, 100 * float(np.mean([value - plain[seed] for seed, value in own.items()])), len(own))
        for place, own in sorted(found.items())
    ]


def main(store: str, sweep: str) -> None:
    """Prints the rows of a recorded sweep as they stand in the file."""
    for epsilon, p, k, gain, seeds in rows(Store(Path(store)), sweep):
        print(f"digits,{epsilon:g},{p:g},{k},{gain:.3f},{seeds}")


if __name__ == "__main__":
    main(*sys.argv[1:])
