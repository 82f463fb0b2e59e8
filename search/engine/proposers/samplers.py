"""Optuna's samplers, as a sweep names them."""

import warnings
from collections.abc import Sequence

import optuna
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

from search.definition.samplers import CmaEs, Gp, Nsga2, Qmc, Random, Sampler

STATEFUL = (CmaEs, Qmc, Nsga2)
"""Samplers that keep in a study what they need to know of their own draws."""


def sampler_for(sampler: Sampler, seed: int, sequence: int, known: Sequence[FrozenTrial]) -> BaseSampler:
    """A sampler for one draw.

    Args:
        sampler: Its name and options.
        seed: The seed of this draw alone.
        sequence: The seed of the scrambled sequence that all draws of a search share.
        known: Complete trials of earlier sweeps, in the names and distributions of this one. CMA-ES begins
            where they were good; samplers that model all trials have them in the study.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if isinstance(sampler, Random):
            return RandomSampler(seed=seed)
        if isinstance(sampler, Gp):
            return GPSampler(
                seed=seed,
                n_startup_trials=sampler.n_startup_trials,
                deterministic_objective=sampler.deterministic_objective,
                warn_independent_sampling=False,
            )
        if isinstance(sampler, CmaEs):
            import cmaes  # noqa: F401 - Optuna imports it amid a draw

            return CmaEsSampler(
                seed=seed,
                n_startup_trials=sampler.n_startup_trials,
                popsize=sampler.popsize,
                use_separable_cma=sampler.use_separable_cma,
                lr_adapt=sampler.lr_adapt,
                consider_pruned_trials=sampler.consider_pruned_trials,
                source_trials=list(known) or None,
                warn_independent_sampling=False,
            )
        if isinstance(sampler, Qmc):
            return QMCSampler(
                qmc_type=sampler.qmc_type,
                scramble=sampler.scramble,
                seed=sequence,
                independent_sampler=RandomSampler(seed=seed),
                warn_independent_sampling=False,
            )
        if isinstance(sampler, Nsga2):
            return NSGAIISampler(
                seed=seed,
                population_size=sampler.population_size,
                mutation_prob=sampler.mutation_prob,
                crossover_prob=sampler.crossover_prob,
                swapping_prob=sampler.swapping_prob,
            )
        return TPESampler(
            seed=seed,
            n_startup_trials=sampler.n_startup_trials,
            n_ei_candidates=sampler.n_ei_candidates,
            multivariate=sampler.multivariate,
            group=sampler.multivariate,
            constant_liar=True,
        )
