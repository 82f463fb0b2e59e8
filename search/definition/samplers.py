"""Samplers by name, with the options of Optuna's that a sweep file may set."""

from typing import Annotated, Literal

from pydantic import Field

from search.definition.part import Part

_Share = Annotated[float, Field(ge=0, le=1)]


class Tpe(Part):
    """Tree-structured Parzen estimator (`optuna.samplers.TPESampler`); for every kind of space.

    Attributes:
        kind: Names this sampler.
        n_startup_trials: Draws at random before the model's first.
        n_ei_candidates: Candidates from which the best is drawn.
        multivariate: Whether dimensions are modelled together.
    """

    kind: Literal["tpe"] = "tpe"
    n_startup_trials: int = Field(default=10, ge=0)
    n_ei_candidates: int = Field(default=24, ge=1)
    multivariate: bool = True


class Gp(Part):
    """Gaussian process with expected improvement (`optuna.samplers.GPSampler`).

    Attributes:
        kind: Names this sampler.
        n_startup_trials: Draws at random before the model's first.
        deterministic_objective: Whether a combination has the same value each time.
    """

    kind: Literal["gp"] = "gp"
    n_startup_trials: int = Field(default=10, ge=0)
    deterministic_objective: bool = False


class CmaEs(Part):
    """Covariance matrix adaptation (`optuna.samplers.CmaEsSampler`); for ranges only.

    Attributes:
        kind: Names this sampler.
        n_startup_trials: Complete trials, drawn at random, before the first generation.
        popsize: Trials of a generation; by default 4 + 3 ln(dimensions).
        use_separable_cma: Whether the covariance is diagonal, for many dimensions.
        lr_adapt: Whether the learning rate adapts, for noisy values or several optima.
        consider_pruned_trials: Whether the sampler learns the last value of stopped trials.
    """

    kind: Literal["cmaes"] = "cmaes"
    n_startup_trials: int = Field(default=1, ge=1)
    popsize: int | None = Field(default=None, ge=2)
    use_separable_cma: bool = False
    lr_adapt: bool = False
    consider_pruned_trials: bool = False


class Qmc(Part):
    """A sequence that covers the space evenly (`optuna.samplers.QMCSampler`); learns nothing.

    Attributes:
        kind: Names this sampler.
        qmc_type: Sobol's sequence or Halton's.
        scramble: Whether the search's ``sampler_seed`` randomises the sequence.
    """

    kind: Literal["qmc"] = "qmc"
    qmc_type: Literal["sobol", "halton"] = "sobol"
    scramble: bool = False


class Nsga2(Part):
    """A genetic algorithm (`optuna.samplers.NSGAIISampler`).

    Attributes:
        kind: Names this sampler.
        population_size: Trials of a generation; the first one is drawn at random.
        mutation_prob: Probability that a parameter is drawn anew; by default 1 / dimensions.
        crossover_prob: Probability that a child has two parents.
        swapping_prob: Probability that a parameter of such a child comes from the second parent.
    """

    kind: Literal["nsga2"] = "nsga2"
    population_size: int = Field(default=50, ge=2)
    mutation_prob: _Share | None = None
    crossover_prob: _Share = 0.9
    swapping_prob: _Share = 0.5


class Random(Part):
    """Every draw by itself (`optuna.samplers.RandomSampler`); learns nothing.

    Attributes:
        kind: Names this sampler.
    """

    kind: Literal["random"] = "random"


Sampler = Annotated[Tpe | Gp | CmaEs | Qmc | Nsga2 | Random, Field(discriminator="kind")]

SAMPLERS: dict[str, type[Part]] = {
    "tpe": Tpe,
    "gp": Gp,
    "cmaes": CmaEs,
    "qmc": Qmc,
    "nsga2": Nsga2,
    "random": Random,
}
"""By name."""

LEARNERS = ("tpe", "gp", "cmaes")
"""Samplers that can start from the trials of another sweep."""
