"""Seeds of a sweep file, one by one or as a range."""

from typing import Any

import pytest

from dropattack import UsageError
from search.definition.overriding import override, parse_override
from search.definition.schema import check_schema
from search.definition.seeds import MOST
from search.definition.sweep import Sweep


def _sweep(seeds: Any, fresh: Any = (100, 101)) -> dict[str, Any]:
    confirm = {"name": "confirm", "search": {"kind": "confirm", "seeds": fresh}}
    return {
        "name": "s",
        "workload": "digits-lenet5",
        "seeds": seeds,
        "stages": [{"name": "grid", "methods": {"standard": {}}}, confirm],
    }


def _read(seeds: Any, fresh: Any = (100, 101)) -> Sweep:
    return check_schema(_sweep(seeds, fresh), "s.yaml")


def test_a_range_has_both_of_its_ends_and_is_what_its_list_is() -> None:
    assert _read({"low": 7, "high": 9}).seeds == (7, 8, 9)
    assert _read({"low": 4, "high": 4}).seeds == (4,)
    assert _read([0], {"low": 100, "high": 129}) == _read([0], [*range(100, 130)])


def test_a_range_is_set_like_any_other_value() -> None:
    raw = _sweep([0])
    override(raw, *parse_override("stages.confirm.search.seeds={low: 1000, high: 1070}"))
    assert len(check_schema(raw, "s.yaml").stages[1].search.seeds) == 71  # type: ignore[union-attr]


def test_what_was_read_is_recorded_as_a_list() -> None:
    found = _read({"low": 0, "high": 2})
    assert found.model_dump(mode="json")["seeds"] == [0, 1, 2]
    assert Sweep.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"low": 3}, "seeds: must be a list of whole numbers, or a range of them: {low: 0, high: 9}"),
        ({"low": 0, "high": 9, "step": 2}, "seeds: must be a list of whole numbers, or a range"),
        ({"low": 0.5, "high": 2}, "seeds: must be a list of whole numbers, or a range"),
        ({"low": "0", "high": 2}, "seeds: must be a list of whole numbers, or a range"),
        ({"low": True, "high": 2}, "seeds must hold numbers, not true"),
        ({"low": 3, "high": 1}, "seeds: low is 3, which is above high, 1"),
        ({"low": 0, "high": MOST}, "seeds: has 10,001 seeds; write at most 10,000"),
        ({"low": 0, "high": 10**18}, "seeds; write at most 10,000"),
        ([], "seeds: the space is empty"),
        (7, "seeds: must be a list of whole numbers, such as [0, 1], or {low: 0, high: 9}"),
    ],
)
def test_what_is_no_range_is_refused_in_one_line(written: Any, told: str) -> None:
    for raw in (_sweep(written), _sweep([0], written)):
        with pytest.raises(UsageError) as refused:
            check_schema(raw, "s.yaml")
        assert told in str(refused.value)
        assert "\n" not in str(refused.value)
