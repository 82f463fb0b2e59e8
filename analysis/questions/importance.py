"""Which hyperparameters matter: Optuna's importances, with bootstrap intervals over configurations."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial

from analysis.recipes import set_by_budget
from analysis.records import CONFIGURATION, RELATIVE, Records, one_per_training, scale_of
from analysis.statistics import ALPHA

_MOST = 60
_FEWEST = 10
RESAMPLES = 200
"""Bootstrap resamples behind an interval; the fewest whose outer fortieths are more than a few of them."""
_TREES = 8


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
    recipe = [c for c in records.training if c not in set_by_budget(records)]
    rng = np.random.default_rng(seed)
    found: list[pd.DataFrame] = []
    for (workload, method, scale), group in trials.groupby(
        ["workload", "method", scale_of(trials)], sort=True
    ):
        names = [c for c in (*records.hyperparameters, *recipe) if group[c].nunique() > 1]
        if len(names) < 2:
            continue
        own = one_per_training(group).groupby(CONFIGURATION)
        means = own[records.spelling].first().assign(value=own["value"].mean()).sort_values(records.spelling)
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
    usable = names
    if evaluator == "fANOVA":
        usable = [name for name in names if means[name].notna().all()]
        means = means.assign(**{name: _as_positions(means[name]) for name in usable})
    spaces = {name: _distribution(means[name].dropna()) for name in usable}
    trials = [_frozen(row, spaces) for row in means.to_dict("records")]
    whole = _evaluate(trials, mode, evaluator)
    draws = [
        _evaluate([trials[i] for i in rng.integers(0, len(trials), len(trials))], mode, evaluator)
        for _ in range(resamples if whole else 0)
    ]
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


def _as_positions(values: pd.Series) -> pd.Series:
    """Words as their position in sorted order, numbers as they are."""
    if values.dtype == float:
        return values
    order = {word: float(i) for i, word in enumerate(sorted(set(values)))}
    return values.map(order).astype(float)


def _evaluate(trials: Sequence[FrozenTrial], mode: str, evaluator: str) -> dict[str, float]:
    if len({trial.value for trial in trials}) < 2 or not any(trial.params for trial in trials):
        return {}
    study = _study(trials, mode)
    tool = (
        FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
        if evaluator == "fANOVA"
        else PedAnovaImportanceEvaluator(target_quantile=0.5)
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PED-ANOVA says that nothing sets the better half apart
            return dict(optuna.importance.get_param_importances(study, evaluator=tool, params=None))
    except RuntimeError:  # fANOVA's trees may split nothing, where nearly all values are equal
        return {}


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
