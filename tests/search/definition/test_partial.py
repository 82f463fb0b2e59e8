"""Parts of sweeps: what some of the workloads are about."""

import pytest

from dropattack import UsageError
from search.definition.partial import only_workloads
from search.definition.sweepfile import load_sweep


def test_it_has_the_stages_of_its_workloads() -> None:
    whole = load_sweep("table4")
    part = only_workloads(whole, ["mnist-lenet5"])
    assert [stage.name for stage in part.stages] == ["baseline", "steps-images"]
    assert all(part.stage_workloads(stage) == ("mnist-lenet5",) for stage in part.stages)
    assert part.name == whole.name
    assert whole == load_sweep("table4"), "the whole is as it was"


@pytest.mark.parametrize("names", [["pheme-bilstm", "imdb-lstm"], ["pheme-bilstm,imdb-lstm"]])
def test_several_are_named_in_any_way_and_keep_the_sweeps_order(names: list[str]) -> None:
    part = only_workloads(load_sweep("table4"), names)
    assert part.workloads == ("imdb-lstm", "pheme-bilstm")


def test_all_is_the_whole() -> None:
    whole = load_sweep("demo")
    assert only_workloads(whole, []) is whole
    assert only_workloads(whole, whole.workloads) == whole


@pytest.mark.parametrize("name", ["mnist-lenet", "", "nothing at all", "mnist-lenet5,"])
def test_an_unknown_one_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"--only: unknown workload of table4 '.*valid: imdb-lstm"
    ) as refusal:
        only_workloads(load_sweep("table4"), [name])
    assert name != "mnist-lenet" or "did you mean 'mnist-lenet5'" in str(refusal.value)
