"""How many trials run side by side, and that they do."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search.definition.sweep import Resources
from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.engine.nodes import on_node
from search.execution import tuning
from search.execution.slots import Slots
from search.records.journal import Journal
from search.records.record import State
from tests.patience import PATIENCE_SECONDS
from trainables.trainable import StackTrainable
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


class Met(StackTrainable):
    """Whose process is not up before another one is starting too."""

    def setup(self, config: dict[str, Any]) -> None:
        folder = Path(config["folder"])
        (folder / f"{os.getpid()}.starting").touch()
        until = time.monotonic() + PATIENCE_SECONDS
        while len(list(folder.glob("*.starting"))) < 2:
            if time.monotonic() > until:
                (folder / "alone").touch()
                break
            time.sleep(0.05)
        super().setup(config)


@pytest.mark.heavy
@pytest.mark.usefixtures("local_ray")
def test_processes_start_side_by_side_and_not_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials are shorter than the start of a process: one that waited for the last would never be needed."""
    sweep = parse_sweep(
        {
            "name": "short",
            "workload": "digits-lenet5",
            "training": {"epochs": 1, "train_size": 200},
            "seeds": list(range(6)),
            "stages": [{"name": "grid", "methods": {"standard": {}}}],
        }
    )
    checksum = workload_named("digits-lenet5").checksum(tmp_path)
    engine = Engine(sweep, Journal(tmp_path / "journal.log", sweep.select), lambda *_: checksum)
    monkeypatch.setattr(tuning, "StackTrainable", Met)
    tuning.connect(verbose=False)
    tuning.run(engine, tmp_path, tmp_path)
    assert [record.state for record in engine.records] == [State.COMPLETE] * 6
    assert not (tmp_path / "alone").exists()
