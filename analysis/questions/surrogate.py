"""A map of ε and p from scattered trials: a Gaussian process with its uncertainty."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from analysis.pairing import with_gain
from analysis.recipes import recipes
from analysis.records import PRUNED, Metric, Records, one_per_training, scale_of

_FEWEST = 8
_MOST = 400
_STEPS = 40
_CHANCE = 5.99


@dataclass(frozen=True)
class Surrogate:
    """A fitted map and the points beneath it.

    Attributes:
        workload: Where the trials are from.
        method: What they trained with.
        scale: What ε is measured in; see `analysis.records.scale_of`.
        recipe: Under which recipe; see `analysis.recipes.recipes`.
        epsilon: ``[steps]``, evenly spaced over log ε where ε spans a factor of 20, else over ε.
        p: ``[steps]``.
        mean: ``[p, epsilon]``, the expected score.
        sd: ``[p, epsilon]``, standard deviation of that expectation, noise between trials left out.
        points: Rows ``epsilon, p, score``.
        log: Whether ε is on a log scale.
        pruned: How many trials beside these were stopped early.
        ratio: Twice the log likelihood that the map has over one constant with noise.
    """

    workload: str
    method: str
    scale: str
    recipe: str
    epsilon: NDArray[np.float64]
    p: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    points: pd.DataFrame
    log: bool
    pruned: int
    ratio: float

    @property
    def tells(self) -> bool:
        """Whether it is more than a picture of noise.

        The likelihood ratio lies above χ²'s 95 % point at 2 degrees of freedom, which 2-5 % of simulated
        trials without any effect reach, and the map spans more than it is uncertain by.
        """
        return self.ratio > _CHANCE and bool(np.ptp(self.mean) > np.median(self.sd))


def surrogates(records: Records, cells: pd.DataFrame, metric: Metric) -> list[Surrogate]:
    """One map per workload, method, scale of ε and recipe whose trials lie scattered.

    Target sets and K are pooled, recipes are not. Only trials that ran in full are used, each training once.
    Anisotropic RBF kernel plus noise, fitted by marginal likelihood; of more than 400 trials 400 are drawn.

    Args:
        records: What was recorded.
        cells: What `analysis.questions.sensitivity.epsilon_p_cells` gave; panels that are no grid are
            scattered.
        metric: What is mapped.
    """
    if cells.empty:
        return []
    own = ["workload", "method", "scale"]
    scattered = cells[~cells["grid"]][["stage", *own]].drop_duplicates()
    recipe = recipes(records, records.trials, records.drawn)
    named = records.trials[[]].assign(recipe=recipe, scale=scale_of(records.trials))
    trials = records.exploring().dropna(subset=["epsilon", "p"]).join(named)
    trials = with_gain(records, trials.merge(scattered, on=["stage", *own]), metric)
    pruned = records.trials[records.trials["state"] == PRUNED].join(named)
    pruned = pruned.merge(scattered).drop_duplicates("key")
    found = []
    kind = [*own, "recipe"]
    for name, group in trials.groupby(kind, sort=True):
        points = one_per_training(group)[["epsilon", "p", "score"]].dropna()
        points = points[points["epsilon"] > 0].reset_index(drop=True)
        if len(points) >= _FEWEST and points["epsilon"].nunique() > 2 and points["p"].nunique() > 2:
            stopped = (pruned[kind] == list(name)).all(axis=1)
            found.append(_fit(*map(str, name), points=points, pruned=int(stopped.sum())))
    return found


def _fit(
    workload: str, method: str, scale: str, recipe: str, *, points: pd.DataFrame, pruned: int
) -> Surrogate:
    rng = np.random.default_rng(0)
    sample = (
        points
        if len(points) <= _MOST
        else points.iloc[np.sort(rng.choice(len(points), _MOST, replace=False))]
    )
    low, high = points["epsilon"].min(), points["epsilon"].max()
    log = bool(high / low >= 20)
    position = np.log if log else np.asarray
    epsilon = np.geomspace(low, high, _STEPS) if log else np.linspace(low, high, _STEPS)
    p = np.linspace(points["p"].min(), points["p"].max(), _STEPS)
    x = np.column_stack([position(sample["epsilon"].to_numpy()), sample["p"].to_numpy()])
    center, spread = x.mean(axis=0), x.std(axis=0)
    y = sample["score"].to_numpy()
    unit = y.std() or 1.0
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF([1.0, 1.0], (0.1, 20)) + WhiteKernel(0.1, (1e-4, 10))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit((x - center) / spread, (y - y.mean()) / unit)
    grid = np.stack(np.meshgrid(position(epsilon), p), axis=-1).reshape(-1, 2)
    mean, sd = process.predict((grid - center) / spread, return_std=True)
    noise = process.kernel_.k2.noise_level
    without_noise = np.sqrt(np.maximum(sd**2 - noise, 0))
    shape = (_STEPS, _STEPS)
    return Surrogate(
        workload,
        method,
        scale,
        recipe,
        epsilon,
        p,
        (mean * unit + y.mean()).reshape(shape),
        (without_noise * unit).reshape(shape),
        points,
        log,
        pruned,
        2 * float(process.log_marginal_likelihood_value_) + len(y) * (np.log(2 * np.pi) + 1),
    )
