"""What each kind of search proposes, and what ends it."""

from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.records.record import State
from tests.search.engine.proposed import run, searching
from tests.search.simulation import Driver, engine, sweep


def test_a_grid_may_be_a_union_of_spaces_and_gives_each_combination_once(tmp_path: Path) -> None:
    spaces = [{"epsilon": 5, "p": [0.5, 0.7]}, {"epsilon": [5, 7], "p": 0.7}]
    records = run(tmp_path, {"name": "grid", "methods": {"dropattack": spaces}}, seeds=[0])
    drawn = [(r.trial.hyperparameters["epsilon"], r.trial.hyperparameters["p"]) for r in records]
    assert drawn == [(5.0, 0.5), (5.0, 0.7), (7.0, 0.7)]


def test_excluded_combinations_are_left_out_of_grids_and_draws(tmp_path: Path) -> None:
    exclude = [{"k": 3, "p": 1.0}, {"epsilon": {"low": 4, "high": 9}}]
    methods = {"dropattack": {"k": [1, 3], "p": [0.5, 1.0], "epsilon": [1, 5]}}
    grid = {"name": "grid", "methods": methods, "exclude": exclude}
    drawn = [r.trial.hyperparameters for r in run(tmp_path / "grid", grid, seeds=[0])]
    assert [(h["k"], h["p"], h["epsilon"]) for h in drawn] == [(1, 0.5, 1.0), (1, 1.0, 1.0), (3, 0.5, 1.0)]

    with pytest.raises(UsageError, match="exclude leaves nothing"):
        run(tmp_path / "none", grid | {"exclude": [{"method": "dropattack"}]})

    for kind in ("random", "optuna"):
        methods = {"dropattack": {"k": [1, 3], "p": [0.5, 1.0], "epsilon": {"low": 0.1, "high": 6}}}
        stage = searching(search={"kind": kind, "trials": 25}, methods=methods, exclude=exclude)
        records = run(tmp_path / kind, stage)
        assert len(records) == 25
        for h in (r.trial.hyperparameters for r in records):
            assert h["epsilon"] < 4
            assert (h["k"], h["p"]) != (3, 1.0)


def test_a_space_that_is_excluded_as_a_whole_ends_the_search(tmp_path: Path) -> None:
    assert run(tmp_path, searching(exclude=[{"method": "dropattack"}])) == []


def test_a_budget_in_passes_gives_costly_methods_fewer_epochs(tmp_path: Path) -> None:
    stage = {
        "name": "grid",
        "budget": "passes",
        "methods": {"standard": {}, "dropattack": {"targets": ["input", "input+conv1.w"], "k": [1, 5]}},
    }
    records = run(tmp_path, stage, training={"epochs": 24}, seeds=[0])
    cost = {r.trial.passes: r.trial.training["epochs"] for r in records}
    assert cost == {1: 24, 2: 12, 3: 8, 6: 4, 11: 2}
    assert all(r.state is State.COMPLETE for r in records)


def test_rungs_count_passes_where_the_budget_does(tmp_path: Path) -> None:
    stage = searching(
        search={"kind": "random", "trials": 12},
        scheduler={"kind": "asha", "grace_period": 6, "reduction_factor": 2},
        budget="passes",
        methods={"dropattack": {"epsilon": {"low": 0.1, "high": 5}, "k": [1, 2]}},
    )
    pruned = [r for r in run(tmp_path, stage, training={"epochs": 48}) if r.state is State.PRUNED]
    assert pruned
    for record in pruned:
        used = len(record.epochs) * record.trial.passes
        before = used - record.trial.passes
        assert any(before < rung <= used for rung in (6, 12, 24, 48)), "stopped between two rungs"


def test_patience_ends_a_search_that_brings_nothing_better(tmp_path: Path) -> None:
    records = run(tmp_path, searching(search={"kind": "random", "trials": 100, "patience": 5}))
    values = [r.value(sweep().select) or 0 for r in records]
    assert len(records) < 100
    after_the_best = len(values) - 1 - values.index(max(values))
    assert after_the_best == 5, "five trials without a gain end the search"


def test_a_search_that_patience_has_ended_stays_ended(tmp_path: Path) -> None:
    stage = searching(search={"kind": "random", "trials": 100, "patience": 3}, scheduler="asha")
    for seed in range(6):
        stage["search"]["sampler_seed"] = seed
        definition = sweep(stages=[stage])
        Driver(engine(tmp_path / str(seed), definition), slots=4).run()
        again = Driver(engine(tmp_path / str(seed), definition), slots=4)
        again.run()
        assert again.ledger == []


def test_a_limit_of_trials_counts_those_that_fail(tmp_path: Path) -> None:
    tested = engine(tmp_path, sweep(stages=[searching()], limits={"trials": 3}))
    failed = 0
    while record := tested.next():
        tested.fail(record.key, "bad luck")
        failed += 1
    assert failed == 3
    assert engine(tmp_path, sweep(stages=[searching()], limits={"trials": 3})).next() is None


def test_gpu_hours_are_charged_by_the_share_that_a_trial_gets(tmp_path: Path) -> None:
    resources, limits = {"gpus": "auto"}, {"gpu_hours": 0.5 * 4 * 9 / 3600}
    definition = sweep(stages=[searching()], resources=resources, limits=limits)
    whole, quarter = (Driver(engine(tmp_path / name, definition)) for name in ("whole", "quarter"))
    quarter.engine.occupies(0.25)
    for driver in (whole, quarter):
        driver.run()
    assert [len(driver.engine.records) for driver in (whole, quarter)] == [4, 10]
    with pytest.raises(UsageError, match="gpu_hours counts GPUs"):
        sweep(stages=[searching()], limits=limits)


@pytest.mark.parametrize(
    ("limits", "trained"), [({"trials": 3}, 3), ({"passes": 4 * 9 * 2}, 4), ({"hours": 1e-9}, 0)]
)
def test_a_limit_ends_a_sweep_and_a_larger_one_goes_on(
    tmp_path: Path, limits: dict[str, Any], trained: int
) -> None:
    driver = Driver(engine(tmp_path, sweep(stages=[searching()], limits=limits)))
    driver.run()
    assert len(driver.engine.records) == trained
    assert driver.engine.limit.startswith(next(iter(limits)))
    assert len(run(tmp_path, searching())) == 10


def test_a_warm_start_teaches_the_sampler_what_another_sweep_found(tmp_path: Path) -> None:
    found = run(tmp_path / "before", searching(search={"kind": "random", "trials": 30}))
    stage = searching(search={"kind": "optuna", "trials": 8, "warm_start": ["before"]})
    definition = sweep(name="after", stages=[stage])
    warm = Driver(engine(tmp_path / "warm", definition, recorded=lambda name: found))
    warm.run()
    cold = Driver(engine(tmp_path / "cold", definition))
    cold.run()
    distance = [
        sum(abs(r.trial.hyperparameters["epsilon"] - 1) for r in driver.engine.records) / 8
        for driver in (warm, cold)
    ]
    assert len(warm.engine.records) == 8, "what another sweep found does not count as this one's"
    assert distance[0] < distance[1], "the simulated optimum is at epsilon = 1"


def test_a_sampled_stage_takes_one_space_for_a_method() -> None:
    with pytest.raises(UsageError, match="a search that samples takes one"):
        sweep(stages=[searching(methods={"dropattack": [{"k": 1}, {"k": 2}]})])


def test_a_warm_start_learns_nothing_from_other_training(tmp_path: Path) -> None:
    found = run(
        tmp_path / "before", searching(search={"kind": "random", "trials": 30}, training={"epochs": 8})
    )
    stage = searching(search={"kind": "optuna", "trials": 8, "warm_start": ["before"]})
    definition = sweep(name="after", stages=[stage])
    warm = Driver(engine(tmp_path / "warm", definition, recorded=lambda name: found))
    cold = Driver(engine(tmp_path / "cold", definition))
    for driver in (warm, cold):
        driver.run()
    assert [r.key for r in warm.engine.records] == [r.key for r in cold.engine.records]


def test_exclusions_know_targets_by_every_spelling(tmp_path: Path) -> None:
    methods = {"dropattack": {"targets": ["input", "input+conv1.w"]}, "standard": {}}
    for spelt in ("conv1.w+input", "Conv.1.w+Input"):
        stage = searching(search="grid", methods=methods, exclude=[{"targets": spelt}])
        records = run(tmp_path / spelt, stage, seeds=[0])
        assert [r.trial.hyperparameters.get("targets") for r in records] == ["input", None]


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ({"targets": "nonsense"}, "exclude.targets: unknown target of digits-lenet5 'nonsense'"),
        ({"method": "drop"}, "unknown method in exclude 'drop'"),
        ({"p": 3}, "exclude.p: p must be 0 to 1"),
    ],
)
def test_exclusions_that_could_never_apply_are_refused(exclude: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep(stages=[searching(exclude=[exclude])])


def test_exclusions_of_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="'epsilom'; did you mean 'epsilon'"):
        sweep(stages=[searching(exclude=[{"epsilom": 1}])])


def test_a_stage_may_be_for_some_workloads_of_the_sweep_only(tmp_path: Path) -> None:
    both = {"name": "both", "methods": {"standard": {}}}
    one = {"name": "one", "workloads": ["mnist-lenet5"], "methods": {"dropattack": {}}}
    workloads = ["digits-lenet5", "mnist-lenet5"]
    definition = sweep(stages=[both, one], workloads=workloads, seeds=[0])
    driver = Driver(engine(tmp_path, definition))
    driver.run()
    assert sorted((r.stage, r.trial.workload) for r in driver.engine.records) == [
        ("both", "digits-lenet5"),
        ("both", "mnist-lenet5"),
        ("one", "mnist-lenet5"),
    ]
