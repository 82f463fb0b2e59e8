"""MLflow's own monitor logs what the machine does on the sweep's run, where that is asked for."""

import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

import search.engine.readiness
import search.tracking.system
from dropattack import UsageError
from search.engine.readiness import check_ready
from search.records.store import Store
from search.tracking.projection import Projection
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, engine, sweep
from tests.search.tracking.simulated import named

CPU = "system/cpu_utilization_percentage"


def _monitors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "SystemMetricsMonitor"]


@pytest.mark.parametrize("asked", [True, False])
def test_the_parent_run_has_them_while_trials_train_and_only_then(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    """A second run of the sweep goes on after the steps of the first one."""
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    name = f"system-{asked}"
    for times in (1, 2):
        tested = engine(tmp_path / str(times), named(name))
        projection = Projection(uri, named(name), tmp_path / "artifacts", {})
        tested.listeners.append(projection.show)
        if asked:
            projection.watch_system()
        projection.start(tested.records)
        Driver(tested).run()
        waiting = threading.Event()
        while asked and not any(step >= times for step in _steps(uri, name)):
            waiting.wait(0.02)
        projection.drain(PATIENCE_SECONDS)
        assert _monitors() == []
        assert projection.close([]) == ""
    steps = _steps(uri, name)
    assert steps == list(range(len(steps)))
    assert bool(steps) is asked


def _steps(uri: str, name: str) -> list[int]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return []
    runs = client.search_runs([experiment.experiment_id], "tags.`dropattack.kind` = 'sweep'")
    return sorted(m.step for run in runs for m in client.get_metric_history(run.info.run_id, CPU))


def test_a_server_that_does_not_answer_keeps_nobody_waiting(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the monitor waits for is left behind in its thread."""
    monkeypatch.setattr(search.tracking.system, "_LAST_SECONDS", 0.05)
    stuck = threading.Event()
    metrics = search.tracking.system.SystemMetrics(uri)
    metrics._monitor = type("Stuck", (), {"finish": lambda self: stuck.wait()})()
    metrics.stop()
    metrics.stop()
    stuck.set()


def test_without_psutil_a_run_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search.engine.readiness, "find_spec", lambda name: None)
    asked = sweep(mlflow={"system_metrics": True})
    with pytest.raises(UsageError, match=r"needs psutil; run: pip install 'dropattack\[system\]'"):
        check_ready(asked, Store(tmp_path), tmp_path)
    check_ready(sweep(), Store(tmp_path), tmp_path)


def test_keys_of_mlflow_are_checked() -> None:
    with pytest.raises(
        UsageError, match="mlflow: unknown key 'system_metric'; did you mean 'system_metrics'"
    ):
        sweep(mlflow={"system_metric": True})
