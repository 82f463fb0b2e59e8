"""Plans say where their times come from, if that is not this machine."""

from pathlib import Path

import pytest

import search.engine.costs.machines
from search.definition.sweep import Sweep
from search.engine.costs.machines import remarks_on_machines
from search.engine.plan import plan_sweep
from search.records.provenance import Provenance, Run
from search.records.store import Store
from tests.search.simulation import Driver, engine, sweep


def run(cpu: str = "", gpus: str = "") -> Run:
    return Run(Provenance(cpu=cpu, gpus=gpus))


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(search.engine.costs.machines, "cpu_model", lambda: "AMD EPYC")
    monkeypatch.setattr(search.engine.costs.machines, "gpu_facts", lambda field: ["L4", "L4"])


@pytest.mark.parametrize(
    ("runs", "on_gpu", "beginning"),
    [
        ([run("AMD EPYC"), run("")], False, None),
        ([run("Xeon", "1 × L4")], True, None),
        ([], False, None),
        ([run("Xeon")], False, "times were recorded on Xeon; this machine has AMD EPYC: --probe"),
        ([run("Xeon"), run("M4"), run("Xeon")], False, "times were recorded on M4 and Xeon; this"),
        ([run("Xeon"), run("AMD EPYC")], False, "some times were recorded on Xeon; this"),
        ([run("AMD EPYC", "8 × NVIDIA H100, 2 × L4")], True, "some times were recorded on NVIDIA H100; this"),
        (
            [run("AMD EPYC", "1 × NVIDIA H100")],
            True,
            "times were recorded on NVIDIA H100; this machine has L4",
        ),
    ],
    ids=map(str, range(8)),
)
def test_times_of_other_machines_are_named(runs: list[Run], on_gpu: bool, beginning: str | None) -> None:
    found = remarks_on_machines(runs, on_gpu)
    if beginning is None:
        assert found == []
    else:
        (line,) = found
        assert line.startswith(beginning)


def test_on_a_cluster_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its nodes train, and which of them did is not on record."""
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert remarks_on_machines([run("Xeon")], False) == []


def small(name: str, workload: str, seed: int) -> Sweep:
    stages = [{"name": "grid", "methods": {"standard": {}}}]
    return sweep(name=name, workloads=[workload], stages=stages, seeds=[seed], training={"epochs": 1})


def test_a_plan_names_the_machine_of_the_sweeps_that_it_takes_times_from(tmp_path: Path) -> None:
    """Another sweep of the store has the workload's only times; one of another workload says nothing."""
    store = Store(tmp_path / "runs")
    for name, workload, cpu in (("times", "digits-lenet5", "Xeon"), ("other", "breast-cancer-mlp", "M4")):
        trained = small(name, workload, 0)
        Driver(engine(store.folder(name), trained)).run()
        store.define(trained)
        store.note_run(name, Provenance(cpu=cpu), begun=False)
    remarks = plan_sweep(small("new", "digits-lenet5", 1), store, tmp_path).remarks
    (line,) = [remark for remark in remarks if "recorded on" in remark]
    assert line.startswith("times were recorded on Xeon; this machine has AMD EPYC")
