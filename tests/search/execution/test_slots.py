"""How many trials run side by side, and that they do."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import ray

from search.definition.sweep import Resources
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.engine.nodes import on_node
from search.execution import tuning
from search.execution.slots import Slots
from search.records.journal import Journal
from trainables.workloads import workload_named


def _node(alive: bool = True, **resources: float) -> Mapping[str, Any]:
    return {"Alive": alive, "Resources": resources}


@pytest.mark.parametrize(
    ("resources", "node", "expected"),
    [
        ({"cpus": 1}, {"CPU": 2.0}, 2),
        ({"cpus": 0.5}, {"CPU": 2.0}, 4),
        ({"cpus": 3}, {"CPU": 2.0}, 0),
        ({"cpus": 2, "gpus": 0.25}, {"CPU": 16.0, "GPU": 1.0}, 4),
        ({"cpus": 8, "gpus": 0.25}, {"CPU": 16.0, "GPU": 1.0}, 2),
        ({"cpus": 1, "gpus": 1}, {"CPU": 16.0}, 0),
        ({"cpus": 1, "gpus": 0.6}, {"CPU": 16.0, "GPU": 2.0}, 2),
        ({"cpus": 1, "gpus": 0.4}, {"CPU": 64.0, "GPU": 8.0}, 16),
        ({"cpus": 1, "gpus": 2}, {"CPU": 64.0, "GPU": 5.0}, 2),
    ],
)
def test_a_node_holds_what_its_scarcest_resource_holds(
    resources: dict[str, Any], node: dict[str, float], expected: int
) -> None:
    assert on_node(Resources(**resources), node) == expected


def test_trials_do_not_span_nodes_and_dead_nodes_hold_none() -> None:
    nodes = [_node(CPU=3.0), _node(CPU=3.0), _node(CPU=1.0), _node(alive=False, CPU=64.0)]
    assert Slots(Resources(cpus=2), lambda: nodes).count() == 2


def test_a_cluster_that_holds_none_yet_gets_one_to_wait() -> None:
    assert Slots(Resources(cpus=2), lambda: []).count() == 1


def test_nodes_that_join_are_seen_but_not_looked_for_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [0.0], []
    monkeypatch.setattr("search.execution.slots.time.monotonic", lambda: now[0])

    def nodes() -> list[Mapping[str, Any]]:
        looked.append(now[0])
        return [_node(CPU=2.0)] * len(looked)

    slots = Slots(Resources(), nodes)
    assert [slots.count(), slots.count()] == [2, 2]
    assert len(looked) == 1
    now[0] = 60.0
    assert slots.count() == 4


def test_the_sweep_may_say_how_many() -> None:
    assert Slots(Resources(concurrent=5), lambda: [_node(CPU=64.0)]).count() == 5


@pytest.fixture
def two_cpus() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("two_cpus")
def test_trials_shorter_than_the_start_of_a_process_run_side_by_side(tmp_path: Path) -> None:
    sweep = parse_sweep(
        {
            "name": "short",
            "workload": "digits-lenet5",
            "training": {"epochs": 3},
            "seeds": list(range(12)),
            "stages": [{"name": "grid", "methods": {"standard": {}}}],
        }
    )
    checksum = workload_named("digits-lenet5").checksum(tmp_path)
    engine = Engine(sweep, Journal(tmp_path / "journal.log", sweep.select), lambda *_: checksum)
    tuning.connect(verbose=False)
    tuning.run(engine, tmp_path, tmp_path)

    epochs = sorted(
        (metrics["recorded_at"] - metrics["seconds"], metrics["recorded_at"], record.key)
        for record in engine.records
        for metrics in record.epochs
    )
    assert len(epochs) == 36
    assert any(second[0] < first[1] for first, second in pairwise(epochs) if first[2] != second[2])
