"""The bundled sweeps of the papers have the cells that the papers print."""

from collections.abc import Iterable

import pandas as pd
import pytest

from analysis import published
from search.definition.source import bundled_sweeps
from search.definition.sweepfile import load_sweep
from search.engine.proposers import Scope, grid_trials
from trainables.trial import Trial
from trainables.workloads import TrainingSettings

PAPERS = [name for name in bundled_sweeps() if name.startswith(("table", "figure", "apb", "dropen"))]


def _trials(name: str, scale: str = "") -> list[Trial]:
    sweep = load_sweep(name, scale=scale)
    return [
        trial
        for stage in sweep.stages
        for workload in sweep.stage_workloads(stage)
        for trial in grid_trials(Scope(sweep, stage, workload, lambda workload, options: workload))
    ]


def _distinct(trials: Iterable[Trial]) -> int:
    return len({trial.key for trial in trials})


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("table2", 55),  # 11 methods on 5 datasets
        ("table3", 16),  # 8 sizes, with and without
        ("table4", 25 + 5),  # 5 values of K on 5 datasets, and the baselines
        ("table5", 15),
        ("table6", 14),
        ("table7", 14),
        ("table8", 14),
        ("table9", 14),
        ("table10", 43 + 4),  # 7 x 7, of which the row p = 0 is one training, and four controls
        ("figure2", 6),
    ],
)
def test_a_table_has_five_seeds_of_every_cell_that_the_paper_prints(name: str, cells: int) -> None:
    trials = _trials(name)
    assert _distinct(trials) == len(trials) == 5 * cells


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("apb-figure2", 2 * 3 * (1 + 2)),  # 2 datasets, 3 scenarios, LeNet and both directions of the bias
        ("apb-figure3a", 2 * (1 + 2)),
        ("apb-figure3b", 2 * (1 + 5 * 2)),  # 5 structures, both directions
        ("apb-direction", 2 * (1 + 4 * 2 + 1)),  # 4 steps, both directions, and none
        ("dropen-table1", 1 + 2 + 2),  # direct, PGD and the report's own, both forms of TRS
        ("dropen-table2", 1 + 3 + 2),  # PGD of two radii
        ("dropen-weights", 1 + (4 * 4 - 1) + 4 + 2),
    ],
)
def test_a_sweep_of_the_other_papers_has_three_seeds_of_every_cell(name: str, cells: int) -> None:
    stages = list(_trials(name))
    shared = 3 if name == "dropen-weights" else 0  # the default stands among the weights and the memories
    assert len(stages) == 3 * cells
    assert _distinct(stages) == 3 * cells - shared


@pytest.mark.parametrize(("name", "deviation"), [("dropen-table1", 0.3081), ("dropen-table2", 1.0)])
def test_dropens_numbers_are_in_pixels(name: str, deviation: float) -> None:
    """The report's are of MNIST / .3081: lengths shrink by that, weights of squared gradients twice."""
    found = [trial.hyperparameters for trial in _trials(name) if trial.method == "dropen"]
    assert found
    for values in found:
        assert values["cosine"] == 10
        assert values["epsilon"] == pytest.approx(0.1 * deviation, rel=0.01)
        assert values["final_epsilon"] == pytest.approx(0.2 * deviation, rel=0.01)
        assert values["smoothness"] == pytest.approx(0.2 * deviation**2, rel=0.01)


def test_weights_of_dropen_are_tried_around_those_of_its_report() -> None:
    table1 = next(trial for trial in _trials("dropen-table1") if trial.method == "dropen")
    trials = [trial for trial in _trials("dropen-weights") if trial.method == "dropen"]
    assert table1.hyperparameters in [trial.hyperparameters for trial in trials]


def test_figures_of_the_perturbation_bias_share_their_trainings() -> None:
    figure2, figure3b = ({t.key for t in _trials(name)} for name in ("apb-figure2", "apb-figure3b"))
    figure3a = {t.key for t in _trials("apb-figure3a")}
    assert figure3a <= figure2
    assert figure3a <= figure3b
    assert figure3a & {t.key for t in _trials("apb-direction")}


@pytest.mark.parametrize(
    ("paper", "names"),
    [("apb", ["apb-figure2", "apb-figure3a"]), ("dropen", ["dropen-table1", "dropen-table2"])],
)
def test_what_the_other_papers_print_is_measured(paper: str, names: list[str]) -> None:
    """Every published accuracy under attack has a trial whose last epoch holds that metric."""
    measured = {
        (trial.workload, trial.method, trial.training["examples"], case.name, case.epsilon)
        for name in names
        for trial in _trials(name)
        for case in TrainingSettings.from_dict(trial.training).cases
    }
    numbers = published.load(paper)
    numbers = numbers[numbers["attack"] != "none"]
    examples = numbers.get("training_examples", pd.Series("clean", index=numbers.index))
    epsilon = numbers.get("pixel_epsilon", numbers["attack_epsilon"])
    printed = set(
        zip(numbers["workload"], numbers["method"], examples, numbers["attack"], epsilon, strict=True)
    )
    assert printed
    assert printed <= measured


def test_cells_that_tables_share_are_trained_once() -> None:
    all_trials = [trial for name in PAPERS for trial in _trials(name)]
    assert _distinct(all_trials) < len(all_trials)
    table2 = {trial.key for trial in _trials("table2")}
    assert {t.key for t in _trials("figure3")} <= table2, "the landscapes' models are Table 2's"
    for name in ("table4", "table5", "table6", "table7", "table8", "table9"):
        assert table2 & {trial.key for trial in _trials(name)}


@pytest.mark.parametrize("name", PAPERS)
def test_every_table_has_a_quick_version_that_is_recorded_apart(name: str) -> None:
    quick = load_sweep(name, scale="quick")
    assert quick.name == f"{name}-quick"
    assert max(trial.training["epochs"] for trial in _trials(name, "quick")) <= 2
    assert not {t.key for t in _trials(name)} & {t.key for t in _trials(name, "quick")}


@pytest.mark.parametrize(("scale", "seeds"), [("", 3), ("quick", 2)])
def test_fast_adversarial_trainings_share_one_recipe_and_one_ball(scale: str, seeds: int) -> None:
    trials = _trials("cifar10-fast-at", scale)
    assert _distinct(trials) == len(trials) == 6 * seeds
    assert len({str(sorted(trial.training.items())) for trial in trials}) == 1
    assert {trial.hyperparameters.get("epsilon") for trial in trials} == {None, 0.031}
    clean = [trial.method for trial in trials if trial.hyperparameters.get("clean", False)]
    assert not clean, "on the attacked batch alone"


@pytest.mark.parametrize(("name", "scale"), [("dropen-table1", 0.3081), ("dropen-table2", 1.0)])
def test_dropens_own_pgd_has_the_radius_of_its_trs(name: str, scale: float) -> None:
    (own,) = {
        (trial.hyperparameters["epsilon"], trial.hyperparameters["final_epsilon"], trial.hyperparameters["k"])
        for trial in _trials(name)
        if trial.method == "dropen-pgd"
    }
    assert own == (pytest.approx(0.1 * scale, rel=0.01), pytest.approx(0.2 * scale, rel=0.01), 6)
