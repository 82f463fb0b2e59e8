"""The bundled sweeps of the papers have the cells that the papers print."""

from collections.abc import Iterable

import pytest

from search.proposers import Scope, grid_trials
from search.sweepfile import bundled_sweeps, load_sweep
from trainables.trial import Trial

PAPERS = [name for name in bundled_sweeps() if name.startswith(("table", "figure"))]


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
        ("table10", 43 + 3),  # 7 x 7, of which the row p = 0 is one training, and three controls
        ("figure2", 6),
    ],
)
def test_a_table_has_five_seeds_of_every_cell_that_the_paper_prints(name: str, cells: int) -> None:
    trials = _trials(name)
    assert _distinct(trials) == len(trials) == 5 * cells


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
