"""Samplers by name: their options, and the spaces that they would draw from at random in part."""

from typing import Any

import optuna
import pytest

from dropattack import UsageError
from search.definition.samplers import SAMPLERS
from search.definition.searches import Sampling
from search.definition.sweep import Sweep
from tests.search.simulation import sweep

RANGES = {"epsilon": {"low": 0.1, "high": 5}, "p": {"low": 0.1, "high": 1.0}}


def _sweep(sampler: Any, methods: Any = None, trials: int = 60, **search: Any) -> Sweep:
    how = {"kind": "optuna", "trials": trials, "sampler": sampler, **search}
    return sweep(stages=[{"name": "search", "search": how, "methods": methods or {"dropattack": RANGES}}])


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_name_stands_for_a_sampler_with_its_defaults(name: str) -> None:
    search = _sweep(name).stages[0].search
    assert isinstance(search, Sampling)
    assert search.drawn_by == SAMPLERS[name]()
    assert search == _sweep({"kind": name}).stages[0].search


def test_without_a_name_the_kind_has_its_own() -> None:
    kinds = {kind: Sampling(kind=kind, trials=3).drawn_by.kind for kind in ("random", "optuna")}  # type: ignore[arg-type]  # of a dict's keys
    assert kinds == {"random": "random", "optuna": "tpe"}


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("tpe", optuna.samplers.TPESampler),
        ("gp", optuna.samplers.GPSampler),
        ("cmaes", optuna.samplers.CmaEsSampler),
        ("qmc", optuna.samplers.QMCSampler),
        ("nsga2", optuna.samplers.NSGAIISampler),
        ("random", optuna.samplers.RandomSampler),
    ],
)
def test_options_and_their_defaults_are_those_of_optuna(name: str, theirs: type) -> None:
    import inspect

    parameters = inspect.signature(theirs).parameters
    for option, value in SAMPLERS[name]().model_dump(exclude={"kind"}).items():
        if (name, option) != ("tpe", "multivariate"):
            assert parameters[option].default == value, option


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("cmaess", r"search\.sampler: unknown kind 'cmaess'; did you mean 'cmaes'"),
        (
            {"kind": "cmaes", "pop_size": 8},
            r"search\.sampler: unknown key 'pop_size'; did you mean 'popsize'",
        ),
        ({"kind": "tpe", "popsize": 8}, r"search\.sampler: unknown key 'popsize'.*n_startup_trials"),
        ({"kind": "random", "seed": 8}, r"search\.sampler: unknown key 'seed'"),
        ({"kind": "qmc", "qmc_type": "hamilton"}, r"unknown value 'hamilton'; did you mean 'halton'"),
        ({"kind": "nsga2", "population_size": 60}, r"first 60 trials at random.*lower population_size"),
        ({"kind": "nsga2", "crossover_prob": 2}, r"crossover_prob: .*at most 1"),
        ({"kind": "cmaes", "use_separable_cma": True, "lr_adapt": True}, "cannot go with lr_adapt"),
    ],
)
def test_what_a_sampler_has_not_is_refused_with_what_it_has(sampler: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        _sweep(sampler)
    assert "\n" not in str(refused.value)


TWO = {"dropattack": RANGES, "sam": {"rho": {"low": 0.1, "high": 1.0}}}
CHOICE = {"dropattack": {**RANGES, "targets": ["input", "conv1.w"]}}


@pytest.mark.parametrize("sampler", ["gp", "cmaes", "qmc", "nsga2"])
def test_several_methods_with_settings_of_their_own_need_tpe(sampler: str) -> None:
    with pytest.raises(UsageError, match=rf"{sampler} ignores .*dropattack.epsilon; write sampler: tpe"):
        _sweep(sampler, TWO)
    for able in ("tpe", "random"):
        _sweep(able, TWO)


@pytest.mark.parametrize(
    ("space", "named"),
    [
        ({"targets": ["input", "conv1.w"]}, "dropattack.targets"),
        ({"targets": {"subsets_of": ["input", "conv1.w"], "up_to": 2}}, "dropattack.targets"),
        ({"k": [1, 2]}, "dropattack.k"),
    ],
)
def test_cmaes_takes_no_choices(space: dict[str, Any], named: str) -> None:
    with pytest.raises(
        UsageError, match=rf"cmaes ignores choices, such as {named}; write a range .* gp or tpe"
    ):
        _sweep("cmaes", {"dropattack": {**RANGES, **space}})
    for able in ("tpe", "random", "gp", "qmc", "nsga2"):
        _sweep(able, {"dropattack": {**RANGES, **space}})


def test_a_choice_of_the_recipe_counts_as_the_methods_own() -> None:
    stage = {"name": "search", "methods": {"dropattack": RANGES}, "training": {"batch_size": [32, 64]}}
    with pytest.raises(UsageError, match=r"cmaes ignores choices, such as training\.batch_size"):
        sweep(stages=[stage | {"search": {"kind": "optuna", "trials": 5, "sampler": "cmaes"}}])


def test_a_choice_of_one_is_none() -> None:
    _sweep("cmaes", {"dropattack": {**RANGES, "k": [2], "targets": "input"}})


def test_who_learns_nothing_starts_from_nothing() -> None:
    for sampler in ("qmc", "nsga2"):
        with pytest.raises(
            UsageError, match=f"{sampler} learns nothing from another sweep.*tpe or gp or cmaes"
        ):
            _sweep(sampler, warm_start=["before"])
    for sampler in ("tpe", "gp", "cmaes"):
        _sweep(sampler, warm_start=["before"])


def test_a_random_search_has_no_other_sampler() -> None:
    stage = {"name": "search", "methods": {"dropattack": RANGES}}
    with pytest.raises(UsageError, match="for sampler: tpe write kind: optuna"):
        sweep(stages=[stage | {"search": {"kind": "random", "trials": 5, "sampler": "tpe"}}])


@pytest.mark.parametrize("race", [False, True])
def test_a_seed_that_would_count_twice_is_refused(race: bool) -> None:
    """A race would ask for the very same training again and again."""

    def asked(seeds: list[int]) -> Sweep:
        how = {"kind": "optuna", "trials": 3, "seeds": 2, "race": race}
        return sweep(seeds=seeds, stages=[{"name": "s", "search": how, "methods": {"dropattack": RANGES}}])

    with pytest.raises(UsageError, match=r"seeds has 0 twice, and search\.seeds counts both"):
        asked([0, 0, 1])
    assert asked([0, 1, 1]).seeds == (0, 1, 1)
