"""What is too large is counted by multiplication and refused, in no time and before it is listed."""

import itertools
from typing import Any

import pytest

from dropattack import UsageError
from search.definition.size import count
from search.definition.space import Interval, Subsets, values
from tests.search.simulation import sweep

LETTERS = tuple("abcdefghij")


@pytest.mark.parametrize(
    "dimension",
    [
        Interval(low=0.1, high=1, step=0.1),
        Subsets(subsets_of=LETTERS, up_to=3),
        Subsets(subsets_of=LETTERS[:2], up_to=9),
        [1, 2, 2],
        "one",
    ],
)
def test_a_count_is_the_number_of_values(dimension: Any) -> None:
    assert count(dimension) == len(values(dimension))


def test_sets_are_counted_as_combinations() -> None:
    sets = [c for n in range(1, 5) for c in itertools.combinations(LETTERS, n)]
    assert count(Subsets(subsets_of=LETTERS, up_to=4)) == len(sets)


TARGETS = ["input", "conv1.w", "conv1.b", "conv2.w", "conv2.b", "fc1.w", "fc1.b", "fc2.w", "fc2.b", "fc3.w"]
HUNDRED = {"low": 0.01, "high": 1, "step": 0.01}


def stage(space: dict[str, Any], search: Any = "grid", **options: Any) -> list[dict[str, Any]]:
    return [{"name": "large", "search": search, "methods": {"dropattack": space}, **options}]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (stage({"epsilon": HUNDRED, "p": HUNDRED, "input_ratio": HUNDRED}), "a grid of 2,000,000 trials"),
        (
            stage({"epsilon": HUNDRED, "p": HUNDRED}, training={"epochs": [1, 2, 3, 4, 5, 6]}),
            "120,000 trials",
        ),
        (
            stage({"targets": {"subsets_of": [*TARGETS, *(f"x{n}" for n in range(21))], "up_to": 31}}),
            "unknown target of digits-lenet5 'x0'",
        ),
        (
            stage(
                {"targets": {"subsets_of": [*TARGETS, "conv9.w"], "up_to": 2}},
                {"kind": "random", "trials": 3},
            ),
            "unknown target of digits-lenet5 'conv9.w'",
        ),
        (stage({"targets": {"subsets_of": ["input", "conv1.w", "input"]}}), "subsets_of names input twice"),
        (
            stage({}, model={f"hidden{n}": list(range(8, 208)) for n in (1, 2)}),
            "40,000 combinations of training, data, model settings",
        ),
    ],
)
def test_what_nobody_could_wait_for_is_refused(stages: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep(stages=stages)


def test_a_list_of_sets_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.definition.size.MOST_SETS", 50)
    many = {"targets": {"subsets_of": TARGETS, "up_to": 2}}
    with pytest.raises(UsageError, match=r"dropattack.targets: 55 sets of targets; at most 50 are listed"):
        sweep(stages=stage(many, {"kind": "random", "trials": 3}))


def test_a_search_may_draw_from_a_space_of_any_size() -> None:
    space = {"epsilon": HUNDRED, "p": HUNDRED, "input_ratio": HUNDRED}
    assert sweep(stages=stage(space, {"kind": "random", "trials": 3})).stages[0].search.kind == "random"


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml", "a.json"])
def test_a_name_that_ends_like_a_files_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="ends like a file's"):
        sweep(name=name)
