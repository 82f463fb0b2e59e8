"""Which hyperparameters matter: importances, with bootstrap intervals over configurations."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial

from analysis.questions.fanova import main_effects
from analysis.records import CONFIGURATION, RELATIVE, Records, one_per_training, scale_of
from analysis.statistics import ALPHA

_MOST = 60
_FEWEST = 10
RESAMPLES = 200
"""Bootstrap resamples behind an interval; the fewest whose outer fortieths are more than a few of them."""
_TREES = 8
_Evaluate = Callable[[NDArray[np.int64]], dict[str, float]]
"""Importances by hyperparameter of the configurations at these places."""


def importances(records: Records, *, resamples: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Share of the spread of results that each hyperparameter explains, by fANOVA and by PED-ANOVA.

    Numbers and words of the recipe that were searched too are hyperparameters like those of the method.
    Trials that ran in full only; one value per configuration, the mean over seeds, of at most 60
    configurations drawn at random. fANOVA is over hyperparameters that all configurations of a method have,
    with words as positions in sorted order, since a column per word makes it slow; PED-ANOVA, which asks
    what sets the better half apart, includes conditional ones. Intervals hold 95 % of 200 bootstrap
    resamples of configurations; they show how stable the estimate is, not that an effect exists. Where one
    does not hold its own estimate, the configurations are too few to say, and it is missing. Trials of an
    absolute and of a relative ε are looked at apart, as their ε are different hyperparameters.

    Returns:
        ``workload, method, evaluator, hyperparameter, importance, low, high, n`` (configurations), sums of
        1 per workload, method and evaluator; nothing where fewer than 10 configurations were tried or fewer
        than two hyperparameters varied.
    """
    trials = records.exploring()
    columns = list(dict.fromkeys([*records.spelling, *records.training]))
    rng = np.random.default_rng(seed)
    found: list[pd.DataFrame] = []
    for (workload, method, scale), group in trials.groupby(
        ["workload", "method", scale_of(trials)], sort=True
    ):
        names = [c for c in (*records.hyperparameters, *records.training) if group[c].nunique() > 1]
        if len(names) < 2:
            continue
        own = one_per_training(group).groupby(CONFIGURATION)
        means = own[columns].first().assign(value=own["value"].mean()).sort_values(columns)
        if len(means) < _FEWEST or means["value"].nunique() < 2:
            continue
        if len(means) > _MOST:
            means = means.iloc[np.sort(rng.choice(len(means), _MOST, replace=False))]
        found += [
            _bootstrapped(means, names, records.mode, name, resamples or RESAMPLES, rng).assign(
                workload=str(workload), method=f"{method}{', relative ε' * (scale == RELATIVE)}", n=len(means)
            )
            for name in ("fANOVA", "PED-ANOVA")
        ]
    if not found:
        return pd.DataFrame()
    first = ["workload", "method", "evaluator", "hyperparameter"]
    return pd.concat(found, ignore_index=True)[[*first, "importance", "low", "high", "n"]]


def _bootstrapped(
    means: pd.DataFrame, names: list[str], mode: str, evaluator: str, resamples: int, rng: np.random.Generator
) -> pd.DataFrame:
    evaluate = _fanova(means, names) if evaluator == "fANOVA" else _ped_anova(means, names, mode)
    everything = np.arange(len(means))
    whole = evaluate(everything)
    draws = [evaluate(rng.choice(everything, len(means))) for _ in range(resamples if whole else 0)]
    table = pd.DataFrame(draws).reindex(columns=list(whole))
    found = pd.DataFrame(
        {
            "evaluator": evaluator,
            "hyperparameter": list(whole),
            "importance": list(whole.values()),
            "low": [table[name].quantile(ALPHA / 2) for name in whole],
            "high": [table[name].quantile(1 - ALPHA / 2) for name in whole],
        }
    )
    holds = found["importance"].between(found["low"], found["high"])
    return found.assign(low=found["low"].where(holds), high=found["high"].where(holds))


def _fanova(means: pd.DataFrame, names: list[str]) -> _Evaluate:
    """Importances of those configurations that are asked for, by hyperparameters that all of them have."""
    usable = [name for name in names if means[name].notna().all()]
    x = np.column_stack([_as_positions(means[name]) for name in usable]) if usable else np.empty((0, 0))
    y = means["value"].to_numpy(dtype=float)

    def evaluate(chosen: NDArray[np.int64]) -> dict[str, float]:
        if not usable:
            return {}
        varied = np.ptp(x[chosen], axis=0) > 0
        columns = [name for name, varies in zip(usable, varied, strict=True) if varies]
        rng = np.random.default_rng(0)
        shares = main_effects(x[chosen][:, varied], y[chosen], trees=_TREES, rng=rng) if columns else None
        if shares is None:
            return {}
        total = shares.sum()
        of_all = shares / total if total > 0 else np.full(len(shares), 1 / len(shares))
        found = dict.fromkeys(usable, 0.0) | dict(zip(columns, map(float, of_all), strict=True))
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    return evaluate


def _ped_anova(means: pd.DataFrame, names: list[str], mode: str) -> _Evaluate:
    """Importances of those configurations that are asked for, for what sets the better half apart."""
    spaces = {name: _distribution(means[name].dropna()) for name in names}
    trials = [_frozen(row, spaces) for row in means.to_dict("records")]

    def evaluate(chosen: NDArray[np.int64]) -> dict[str, float]:
        sample = [trials[i] for i in chosen]
        if len({trial.value for trial in sample}) < 2 or not any(trial.params for trial in sample):
            return {}
        tool = PedAnovaImportanceEvaluator(target_quantile=0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says where nothing sets the better half apart
            return dict(
                optuna.importance.get_param_importances(_study(sample, mode), evaluator=tool, params=None)
            )

    return evaluate


def _as_positions(values: pd.Series) -> pd.Series:
    """Words as their position in sorted order, numbers as they are."""
    if values.dtype == float:
        return values
    order = {word: float(i) for i, word in enumerate(sorted(set(values)))}
    return values.map(order).astype(float)


def _study(trials: Sequence[FrozenTrial], mode: str) -> optuna.Study:
    """A finished study in memory that holds these configurations."""
    previous = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize" if mode == "max" else "minimize")
    finally:
        optuna.logging.set_verbosity(previous)
    study.add_trials(trials)
    return study


def _frozen(row: dict[Any, Any], spaces: dict[str, BaseDistribution]) -> FrozenTrial:
    present = {name: row[name] for name in spaces if row[name] is not None and row[name] == row[name]}
    return optuna.trial.create_trial(
        params=present, distributions={name: spaces[name] for name in present}, value=row["value"]
    )


def _distribution(values: pd.Series) -> BaseDistribution:
    if values.dtype != float:
        return CategoricalDistribution(sorted(set(values)))
    low, high = float(values.min()), float(values.max())
    return FloatDistribution(low, high, log=low > 0 and high / low >= 20)
