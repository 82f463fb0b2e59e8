"""Sweep files: what they mean, and one clear line for whatever is wrong with them."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from dropattack import UsageError
from search.definition.overriding import parse_override
from search.definition.source import bundled_sweeps, sweep_name
from search.definition.space import Interval, Subsets, grid, sample
from search.definition.sweep import Resources
from search.definition.sweepfile import load_sweep

GRID = "stages.sensitivity.methods.dropattack"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("epoch", 3, r"unknown key 'epoch'.*valid: name"),
        ("stages.sensitivity.shceduler", "asha", r"did you mean 'scheduler'"),
        ("stages.search.search.trails", 3, r"did you mean 'trials'"),
        ("stages.search.scheduler.rungs", 3, r"unknown key 'rungs'.*grace_period"),
        ("training.epoch", 3, r"unknown training option 'epoch'; did you mean 'epochs'"),
        ("workload", "mnist", r"unknown workload 'mnist'; did you mean 'mnist-lenet' or 'mnist-lenet5'"),
        (
            "stages.sensitivity.methods.dropatack",
            {},
            r"unknown method 'dropatack'; did you mean 'dropattack'",
        ),
        (f"{GRID}.targets", "input+conv9.w", r"unknown target .*'conv9.w'; did you mean 'conv"),
        (
            "stages.sensitivity.methods.apb",
            {"biases": ["all", "fc9.b"]},
            r"apb.biases: unknown target of .*'fc9.b'; did you mean 'fc",
        ),
        (f"{GRID}.targets", "input+input", r"name one target twice"),
        (f"{GRID}.epsilon", [-1], r"epsilon must be ≥ 0, not -1"),
        (f"{GRID}.epsilon", [float("nan")], r"epsilon must be finite"),
        (f"{GRID}.epsilon", ["big"], r"epsilon must be a number"),
        (f"{GRID}.p", 1.5, r"p must be 0 to 1, not 1.5"),
        (f"{GRID}.k", 0, r"k must be ≥ 1, not 0"),
        (f"{GRID}.k", 1.5, r"k must be a whole number"),
        (f"{GRID}.epsilon", [], r"epsilon: the space is empty"),
        (f"{GRID}.epsilon", {"low": 1, "high": 2}, r"a grid needs a list of values"),
        (f"{GRID}.epsilon", {"lo": 1, "high": 2}, r"unknown key 'lo'; did you mean 'low'"),
        ("stages.search.methods.dropattack.epsilon", {"low": -1, "high": 2}, r"epsilon must be ≥ 0, not -1"),
        (
            "stages.search.methods.dropattack.epsilon",
            {"low": 3, "high": 2},
            r"low is 3, which is not below high",
        ),
        ("stages.sensitivity.methods", {}, r"its space is empty"),
        ("stages.sensitivity.search", "gird", r"stages.sensitivity.search: .*'gird'; did you mean 'grid'"),
        ("stages.search.search", "optuna", r"stages.search.search.trials: is missing"),
        ("stages.sensitivity.methods.dropattack", [], r"the space of dropattack is empty"),
        ("seeds", 5, r"seeds: must be a list of whole numbers, such as \[0, 1\]"),
        ("stages", {}, r"stages: must be a list"),
        ("seeds.0", 3, r"lists are set as a whole"),
        ("select.metric", "nope", r"select.metric"),
        ("seeds", [], r"seeds: the space is empty"),
        ("name", "../elsewhere", r"may hold letters, digits"),
        ("resources", {"lanes": 8, "compile": True}, r"resources: lanes are not compiled"),
        ("select.metric", "f1", r"f1 needs a positive class, and digits-lenet5 has none"),
        ("training.best_by", "loss", r"training.best_by is what the sweep selects by; set select.metric"),
        (
            "stages.search.methods.dropattack.k",
            {"low": 1, "high": 5, "step": 0.5},
            r"dropattack.k: step must be a whole number, not 0.5",
        ),
        ("limits.gpu_hours", 3, r"gpu_hours counts GPUs, and resources.gpus is 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        load_sweep("demo", {path: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.epochz", 2, "unknown training option 'epochz'; did you mean 'epochs'?"),
        ("training.learning_rate", -1, "training.learning_rate: learning_rate must be ≥ 0, not -1"),
        ("training.robustness", "fgsm", "training.robustness: "),
        ("training.best_by", "loss", "training.best_by is what the sweep selects by"),
        ("training.train_size", {"low": 1, "high": 100, "step": 7}, "training.train_size: steps of 7"),
        ("data.scales", 2, "unknown data option 'scales'"),
        ("model.hidden1", 0, "model.hidden1: "),
    ],
)
@pytest.mark.parametrize("stage", ["baseline", "sensitivity", "search"])
def test_a_mistake_is_told_where_it_was_written(key: str, value: Any, message: str, stage: str) -> None:
    """A key that all stages share is no mistake of the first one."""
    changes = {"scales": {}, key: value}
    with pytest.raises(UsageError) as shared:
        load_sweep("demo", changes)
    assert str(shared.value).startswith(f"--set {key}: top level: {message}")
    section, name = key.split(".")
    with pytest.raises(UsageError) as own:
        load_sweep("demo", {f"stages.{stage}.{section}": {name: value}})
    assert str(own.value).startswith(f"--set stages.{stage}.{section}: stage '{stage}': {message}")


def test_a_mistake_of_shared_keys_beside_a_stage_is_told_with_the_stage() -> None:
    with pytest.raises(UsageError, match=r"stage 'search': asha needs one number of training.epochs"):
        load_sweep("demo", {"training.epochs": [2, 3]})
    for key, value in (
        ("stages.confirm.search.seeds", [0]),
        ("stages.confirm.workloads", ["mnist-lenet5"]),
        ("stages.confirm.methods", {"standard": {"rounds": 0}}),
        ("stages.confirm.exclude", [{"epsilon": 1}]),
    ):
        with pytest.raises(UsageError, match=rf"^--set {key}: stage 'confirm': "):
            load_sweep("demo", {key: value})
    for key, value in (
        ("search.search.seeds", 9),
        ("search.workloads", ["mnist-lenet5"]),
        ("search.methods.standard", {"rounds": 0}),
        ("baseline.exclude", [{"epsilon": 1}]),
    ):
        with pytest.raises(UsageError, match=rf"^--set stages.{key}: stage '{key.partition('.')[0]}': "):
            load_sweep("demo", {f"stages.{key}": value})


def test_a_range_that_all_stages_share_is_told_at_the_top_level() -> None:
    stage = {"name": "a", "search": {"kind": "optuna", "trials": 2}, "methods": {"fgsm": {}}}
    with pytest.raises(
        UsageError, match=r"^--set training.learning_rate and --set stages: top level: training.l"
    ):
        load_sweep("demo", {"training.learning_rate": {"low": -1, "high": 1}, "stages": [stage]})


def test_methods_that_cannot_be_compiled_are_refused_before_anything_starts() -> None:
    options = {"resources.compile": True}
    load_sweep("demo", options)
    with pytest.raises(UsageError, match=r"stage 'sensitivity': dropen differentiates its gradient"):
        load_sweep("demo", options | {"stages.sensitivity.methods.dropen": {}})


@pytest.mark.parametrize("name", bundled_sweeps())
def test_every_bundled_sweep_is_valid_and_named_as_its_file(name: str) -> None:
    assert load_sweep(name).name == name


def test_unknown_sweeps_and_stages_are_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="did you mean 'demo'"):
        load_sweep("demmo")
    with pytest.raises(UsageError, match=r"no sweep file 'none\.yaml'"):
        load_sweep("none.yaml")
    with pytest.raises(UsageError, match="unknown stage 'serch'; did you mean 'search'"):
        load_sweep("demo", {"stages.serch.search.trials": 1})


def test_numbers_are_read_as_people_write_them_and_no_key_is_overwritten(tmp_path: Path) -> None:
    assert parse_override("a=1e-3") == ("a", 0.001)
    assert parse_override("a=-2.5E+2") == ("a", -250.0)
    assert parse_override("a=.5e1") == ("a", 5.0)
    assert parse_override("a=e3") == ("a", "e3")
    assert parse_override("a=2020-13-45") == ("a", "2020-13-45")
    path = tmp_path / "twice.yaml"
    path.write_text("name: a\nname: b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="key 'name' is there twice"):
        load_sweep(str(path))
    for broken in ("[1", "9" * 5000, "!!int a"):
        with pytest.raises(UsageError, match="not valid YAML"):
            parse_override(f"training.epochs={broken}")


def test_files_that_are_no_text_and_scales_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load_sweep(str(path))
    with pytest.raises(UsageError, match="unknown scale 'quik'; did you mean 'quick'"):
        load_sweep("table8", scale="quik")


def test_broken_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: [", encoding="utf-8")
    with pytest.raises(UsageError, match="not valid YAML"):
        load_sweep(str(path))
    path.write_text("- just\n- a list\n", encoding="utf-8")
    with pytest.raises(UsageError, match="mapping of keys"):
        load_sweep(str(path))


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(UsageError, match="not valid YAML"):
        load_sweep(str(path))


def test_overrides_are_read_as_yaml() -> None:
    assert parse_override("training.epochs=2") == ("training.epochs", 2)
    assert parse_override("a.b=[0.1, 1]") == ("a.b", [0.1, 1])
    with pytest.raises(UsageError, match=r"path.to.key=value"):
        parse_override("training.epochs")
    assert load_sweep("demo", {"stages.search.search.trials": 3}).stages[2].search.trials == 3


def test_a_sweep_is_named_by_its_file_or_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "{name: own, workload: digits-lenet5, stages: [{name: s, methods: {standard: {}}}]}", "utf-8"
    )
    assert sweep_name(str(path)) == "own"
    assert sweep_name("demo") == "demo"


def test_a_grid_is_every_combination_with_the_last_name_fastest() -> None:
    assert list(grid({"a": [1, 2], "b": "x", "c": [3, 4, 3]})) == [
        {"a": 1, "b": "x", "c": 3},
        {"a": 1, "b": "x", "c": 4},
        {"a": 2, "b": "x", "c": 3},
        {"a": 2, "b": "x", "c": 4},
    ]


def test_subsets_are_all_up_to_a_size_in_one_spelling() -> None:
    subsets = Subsets(subsets_of=("fc1.w", "input", "conv1.w"), up_to=2)
    assert subsets.values() == [
        "fc1.w",
        "input",
        "conv1.w",
        "input+fc1.w",
        "conv1.w+fc1.w",
        "input+conv1.w",
    ]


def test_sampling_stays_in_its_ranges_and_gives_whole_numbers_where_asked() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = {"epsilon": Interval(low=0.01, high=10, log=True), "k": Interval(low=1, high=5), "p": 0.5}
    for _ in range(50):
        drawn = sample(study.ask(), space, "dropattack.", {"k": 1, "epsilon": 5.0})
        assert 0.01 <= drawn["epsilon"] <= 10
        assert drawn["k"] in range(1, 6)
        assert isinstance(drawn["k"], int)
        assert drawn["p"] == 0.5


@pytest.mark.parametrize(
    ("written", "seconds"), [("10min", 600), ("90s", 90), ("1.5 h", 5400), ("epoch", None), (" 2h", 7200)]
)
def test_how_often_trials_are_saved_is_a_length_of_time(written: str, seconds: float | None) -> None:
    assert Resources(checkpoint_every=written).checkpoint_seconds == seconds


@pytest.mark.parametrize("written", ["", "10", "0s", "ten minutes", "10m", "-5min", "1e3s", "2h30min"])
def test_other_lengths_are_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="write it as 90s, 10min or 2h, or epoch"):
        Resources(checkpoint_every=written)
