"""Trials that are left for a notice, in real processes of Ray: SIGTERM to a worker, and a node that drains.

`make test-slurm` runs this.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster

from search.definition.sweepfile import parse_sweep
from search.engine.engine import Engine
from search.execution import tuning
from search.execution.stacks import Stacks
from search.records.journal import Journal
from search.records.record import State, same_result
from tests.patience import PATIENCE_SECONDS
from trainables.training.loop import Training
from trainables.workloads import workload_named

pytestmark = pytest.mark.slow
SWEEP: dict[str, Any] = {
    "name": "noticed",
    "workload": "digits-lenet5",
    "training": {"epochs": 1, "batch_size": 2},
    "resources": {"cpus": 1, "concurrent": 1, "checkpoint_every": "1s"},
    "stages": [{"name": "grid", "methods": {"dropattack": {"k": 5}}}],
}
MARK = f"DROPATTACK_TEST_{os.getpid()}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without room for trials, and two nodes with room for one each."""
    os.environ[MARK] = "here"  # what Ray's processes inherit
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        found.add_node(num_cpus=1)
    ray.init(found.address, log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()
    del os.environ[MARK]


def terminated(cluster: Cluster) -> None:
    """SIGTERM to the process that trains, as a batch system sends it to all of a job."""
    (training,) = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _trains(entry)]
    os.kill(int(training.name), signal.SIGTERM)


def _trains(process: Path) -> bool:
    """Whether a process is a worker of this test's cluster, and is at work."""
    try:
        title = (process / "cmdline").read_bytes()
        ours = MARK.encode() in (process / "environ").read_bytes()
    except OSError:
        return False
    return ours and title.startswith(b"ray::") and b".train" in title


def drained(cluster: Cluster) -> None:
    """The node that trains goes back to its cloud in some minutes."""
    left = ray._private.state.available_resources_per_node()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Resources"].get("CPU")]
    (node,) = [node for node in nodes if not left[node].get("CPU")]
    deadline = int((time.time() + 600) * 1000)
    accepted, why = GcsClient(cluster.address).drain_node(node, 2, "spot", deadline)
    assert accepted, why


@pytest.mark.parametrize("notice", [terminated, drained])
def test_a_trial_goes_on_elsewhere_from_where_it_was_left(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notice: Callable[[Cluster], None]
) -> None:
    definition = parse_sweep(SWEEP)
    engine = Engine(definition, Journal(tmp_path / "journal.log", definition.select), lambda *_: "digits")
    left: list[bool] = []
    preempted = Stacks.preempted

    def note(stacks: Stacks, keys: list[str], further: bool) -> None:
        left.append(further)
        preempted(stacks, keys, further)

    monkeypatch.setattr(Stacks, "preempted", note)

    def give() -> None:
        since = time.monotonic()
        while not list(tmp_path.glob("checkpoints/*.pt")):
            assert time.monotonic() - since < PATIENCE_SECONDS
            time.sleep(0.05)
        notice(cluster)

    giving = threading.Thread(target=give)
    giving.start()
    tuning.run(engine, tmp_path, tmp_path)
    giving.join()
    assert left == [True]
    (record,) = engine.records
    assert record.state is State.COMPLETE
    alone = Training(record.trial, workload_named("digits-lenet5").load(tmp_path)).epoch()
    assert same_result(record.epochs[0], alone)
    assert record.epochs[0].get("lost_seconds", 0.0) == 0.0
