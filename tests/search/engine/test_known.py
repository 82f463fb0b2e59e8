"""What a search starts from: configurations of the user, the best of another sweep, trials of others."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError
from search.definition.sweep import Sweep
from search.engine.compatibility import check_extends, check_warm_starts
from search.records.record import Record
from search.results.best import BestSoFar
from tests.search.simulation import Driver, KilledError, engine, sweep, table

SPACE: dict[str, Any] = {
    "epsilon": {"low": 0.1, "high": 5},
    "p": {"low": 0.1, "high": 0.9, "step": 0.1},
    "targets": ["input", "input+conv1.w"],
    "k": 2,
}


def _sweep(*enqueue: dict[str, Any], trials: int = 6, name: str = "after", **stage: Any) -> Sweep:
    search = {"kind": "optuna", "trials": trials, "enqueue": list(enqueue), **stage.pop("search", {})}
    stages = [{"name": "search", "search": search, "methods": {"dropattack": SPACE}, **stage}]
    return sweep(name=name, stages=stages, training={"epochs": 2})


def _run(
    folder: Path, definition: Sweep, recorded: Any = lambda name: (), epochs: int | None = None
) -> Driver:
    driver = Driver(engine(folder, definition, recorded=recorded))
    driver.run(epochs)
    return driver


def _drawn(record: Record) -> tuple[Any, ...]:
    return tuple(record.trial.hyperparameters[name] for name in ("epsilon", "p", "targets", "k"))


FIRST = {"method": "dropattack", "epsilon": 0.5, "p": 0.3, "targets": "conv1.w+input"}
SECOND = {"method": "dropattack", "epsilon": 5, "k": 2}


@pytest.mark.parametrize("sampler", ["tpe", "gp", "qmc", "random"])
def test_what_is_enqueued_is_tried_first_and_killed_or_not_the_rest_is_the_same(
    tmp_path: Path, sampler: str
) -> None:
    definition = _sweep(FIRST, SECOND, search={"sampler": sampler})
    whole = _run(tmp_path / "whole", definition).engine.records
    assert [_drawn(r) for r in whole[:2]] == [
        (0.5, 0.3, "input+conv1.w", 2),
        (5.0, 0.5, "input", 2),
    ], "what is left out has its default, and what the stage fixes is fixed"
    assert len({str(r.params) for r in whole}) == 6
    for epochs in (1, 3, 2):
        with pytest.raises(KilledError):
            _run(tmp_path / "killed", definition, epochs=epochs)
    assert table(_run(tmp_path / "killed", definition).engine.records) == table(whole)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"method": "dropatack"}, "unknown method of this stage 'dropatack'; did you mean 'dropattack'"),
        (
            {"method": "dropattack", "epsilom": 1},
            "unknown setting of dropattack 'epsilom'; did you mean 'epsilon'",
        ),
        (
            {"method": "dropattack", "epsilon": 7},
            r"entry 1 has dropattack.epsilon = 7, outside of the stage's space",
        ),
        ({"method": "dropattack", "p": 0.33}, r"entry 1 has dropattack.p = 0.33, outside"),
        (
            {"method": "dropattack", "targets": "conv2.w"},
            r"entry 1 has dropattack.targets = conv2.w, outside",
        ),
        ({"method": "dropattack", "k": 1}, r"entry 1 has dropattack.k = 1, outside"),
        ({"method": "dropattack", "training": {"epochs": 3}}, r"entry 1 has training.epochs = 3, outside"),
        (
            {"method": "dropattack", "training": {"batch_size": 7}},
            r"training.batch_size is 7, and the stage leaves",
        ),
        ({"method": "dropattack", "model": {"hiden1": 7}}, "unknown setting of model 'hiden1'"),
        ({"method": "dropattack", "p": 0.9}, "entry 1 is one that the stage excludes"),
    ],
)
def test_what_is_outside_of_the_space_is_named_in_a_line(
    tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        engine(tmp_path, _sweep(entry, exclude=[{"p": 0.9}]))
    assert str(refused.value).startswith("stage 'search': search.enqueue: ")
    assert "\n" not in str(refused.value)


def test_an_entry_is_a_configuration_or_a_sweep() -> None:
    with pytest.raises(UsageError, match=r"enqueue\.method: is missing"):
        _sweep({"epsilon": 1})
    with pytest.raises(UsageError, match="unknown key 'tops'; did you mean 'top'"):
        _sweep({"best_of": "before", "tops": 2})
    with pytest.raises(UsageError, match="unknown sweep in enqueue 'befor'; did you mean 'before'"):
        check_warm_starts(_sweep({"best_of": "befor"}), ["before"])
    check_warm_starts(_sweep({"best_of": "before"}), ["before"])


def test_the_best_of_another_sweep_are_tried_with_what_this_one_fixes(tmp_path: Path) -> None:
    """Trained for nine epochs there and for two here."""
    before = sweep(
        name="before",
        stages=[
            {"name": "grid", "methods": {"standard": {}, "dropattack": {**SPACE, "epsilon": [0.1, 1, 5]}}}
        ],
    )
    found = _run(tmp_path / "before", before).engine.records
    means: dict[tuple[Any, ...], list[float]] = {}
    for record in found:
        if record.trial.method == "dropattack":
            means.setdefault(_drawn(record), []).append(record.value(before.select) or 0.0)
    best = sorted(means, key=lambda drawn: -sum(means[drawn]) / len(means[drawn]))[:2]
    asked: list[str] = []

    def recorded(name: str) -> list[Record]:
        asked.append(name)
        return list(found)

    records = _run(tmp_path / "after", _sweep({"best_of": "before", "top": 2}), recorded).engine.records
    assert [_drawn(record) for record in records[:2]] == best
    assert {record.trial.training["epochs"] for record in records} == {2}
    assert set(asked) == {"before"}

    narrow = {"dropattack": {**SPACE, "epsilon": {"low": 0.2, "high": 0.3}}}
    with pytest.raises(UsageError, match=r"the best of before has dropattack.epsilon = .*outside"):
        engine(tmp_path / "narrow", _sweep({"best_of": "before"}, methods=narrow), recorded=recorded)
    other = {"sam": {"rho": {"low": 0.1, "high": 0.3}}}
    with pytest.raises(
        UsageError, match="the best of before is of dropattack, which is no method of the stage"
    ):
        engine(tmp_path / "other", _sweep({"best_of": "before"}, methods=other), recorded=recorded)


@pytest.mark.parametrize("confirmed", [False, True])
def test_the_best_of_a_sweep_that_raced_and_confirmed_is_what_that_sweep_chooses(
    tmp_path: Path, confirmed: bool
) -> None:
    """No candidate of one lucky seed, and where one was confirmed that one, whatever its fresh seeds gave."""
    search = {"kind": "optuna", "trials": 6, "seeds": 3, "race": True}
    stages: list[dict[str, Any]] = [{"name": "race", "search": search, "methods": {"dropattack": SPACE}}]
    stages += [{"name": "confirm", "search": {"kind": "confirm", "seeds": [7, 8]}}] * confirmed
    before = sweep(name="before", seeds=[0, 1, 2], stages=stages, training={"epochs": 2})
    found = list(_run(tmp_path / "before", before).engine.records)
    counts = Counter(record.identity.configuration for record in found if record.stage == "race")
    lucky = min(counts, key=lambda name: counts[name])
    assert counts[lucky] < max(counts.values()) == 3
    for record in found:
        if record.identity.configuration == lucky or record.stage == "confirm":
            value = 0.99 if record.identity.configuration == lucky else 0.01
            record.epochs[:] = [{**metrics, "valid_accuracy": value} for metrics in record.epochs]
    best = BestSoFar(before)
    for record in found:
        if record.trial.method == "dropattack":
            best.add(record)
    (chosen,) = best.best().values()
    assert chosen.record.identity.configuration != lucky
    records = _run(tmp_path / "after", _sweep({"best_of": "before"}), lambda name: found).engine.records
    assert _drawn(records[0]) == _drawn(chosen.record)


def test_a_warm_start_says_what_it_could_use_and_why_not_the_others(tmp_path: Path) -> None:
    space = {**SPACE, "epsilon": [0.5, 9], "targets": ["input"], "p": [0.5]}
    stages = [
        {"name": "same", "methods": {"dropattack": space, "standard": {}}},
        {
            "name": "longer",
            "methods": {"dropattack": {**space, "epsilon": [1, 2, 3]}},
            "training": {"epochs": 3},
        },
    ]
    found = _run(
        tmp_path, sweep(name="before", stages=stages, training={"epochs": 2}, seeds=[0])
    ).engine.records
    definition = _sweep(search={"warm_start": ["before"]})
    (line,) = engine(tmp_path / "after", definition, recorded=lambda name: found).remarks
    assert line == (
        "stage 'search' starts from 1 of 6 complete trials of before; 3 are outside of the space in "
        "training.epochs; 1 are outside of the space in dropattack.epsilon; 1 are of method standard"
    )


def test_other_starts_are_another_search() -> None:
    check_extends(_sweep(FIRST), _sweep(FIRST, trials=9))
    with pytest.raises(UsageError, match="the enqueue of stage 'search'"):
        check_extends(_sweep(FIRST), _sweep(FIRST, SECOND))


WIDE: dict[str, Any] = {"epsilon": {"low": 0.01, "high": 10}, "p": {"low": 0.1, "high": 1}, "k": [1, 2, 3]}
TARGETS = {"mnist-lenet5": ["input", "input+conv1.w"], "imdb-lstm": ["input", "input+lstm.ih.w"]}


def _of_papers(enqueue: Any, workload: str = "mnist-lenet5", **changes: Any) -> Sweep:
    space = {**WIDE, "targets": TARGETS.get(workload, "input"), **changes}
    stage = {
        "name": "search",
        "search": {"kind": "random", "trials": 4, "enqueue": enqueue},
        "methods": {"dropattack": {name: value for name, value in space.items() if value is not None}},
    }
    return sweep(name="papers", workloads=[workload], stages=[stage], training={"epochs": 1})


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ("mnist-lenet5", [(5.0, 0.5, "input+conv1.w", 1), (5.0, 0.7, "input+conv1.w", 1)]),
        ("imdb-lstm", [(5.0, 0.7, "input+lstm.ih.w", 3), (7.0, 0.7, "input+lstm.ih.w", 1)]),
    ],
)
def test_the_papers_best_are_tried_first(
    tmp_path: Path, workload: str, expected: list[tuple[Any, ...]]
) -> None:
    """By hand from its tables 8, and 3 and 5: 99.27 and 99.25, 90.42 and 90.36."""
    records = _run(tmp_path, _of_papers([{"papers": 2}], workload)).engine.records
    assert [_drawn(record) for record in records[:2]] == expected
    assert len(records) == 4
    short = _run(tmp_path / "short", _of_papers("papers", workload)).engine.records
    assert _drawn(short[0]) == expected[0]


def test_what_a_stage_fixes_or_leaves_out_stays_as_it_is(tmp_path: Path) -> None:
    fixed = _of_papers("papers", "imdb-lstm", k=None, targets="input")
    assert _drawn(_run(tmp_path, fixed).engine.records[0]) == (5.0, 0.7, "input", 1)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            lambda: _of_papers("papers", "digits-lenet5"),
            "the DropAttack paper has no settings for digits-lenet5; it has some for agnews-bigru, "
            "cifar10-vgg16, imdb-lstm, mnist-lenet5, pheme-bilstm",
        ),
        (
            lambda: _of_papers("papers", epsilon={"low": 0.1, "high": 2}),
            "the paper's best has dropattack.epsilon = 5.0, outside of the stage's space",
        ),
        (lambda: _of_papers([{"papers": 0}]), "enqueue.papers: must be at least 1, not 0"),
        (lambda: _of_papers([{"papers": 1, "tops": 2}]), "unknown key 'tops'; valid: papers"),
        (lambda: _of_papers("paper"), "enqueue: "),
    ],
)
def test_what_the_papers_cannot_start_is_one_line(
    tmp_path: Path, definition: Callable[[], Sweep], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as refused:
        engine(tmp_path, definition())
    assert "\n" not in str(refused.value)


def test_the_papers_settings_need_their_method(tmp_path: Path) -> None:
    search = {"kind": "random", "trials": 4, "enqueue": "papers"}
    stages = [{"name": "search", "search": search, "methods": {"sam": {"rho": {"low": 0.1, "high": 0.3}}}}]
    with pytest.raises(
        UsageError, match="the paper's best is of dropattack, which is no method of the stage"
    ):
        engine(tmp_path, sweep(workloads=["mnist-lenet5"], stages=stages))
