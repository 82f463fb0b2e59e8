"""The end of a run where files of the store are damaged: one warning, and everything else is done."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from search.records.store import Store
from search.results.best import best_by_workload
from search.service import run_sweep
from tests.search import trained


@pytest.mark.parametrize("damage", ["emptied", "halved", "foreign"])
def test_a_winner_whose_model_is_damaged_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.chdir(tmp_path)
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    engine = trained.run(definition, store)
    (best,) = best_by_workload(definition, engine.records).values()
    model = store.model(definition.name, best.record)
    content = model.read_bytes()
    model.write_bytes({"emptied": b"", "halved": content[: len(content) // 2], "foreign": b"text"}[damage])
    outcome = run_sweep(definition, store, tmp_path, Console(quiet=True))
    assert outcome.done
    assert "a winner's model is not shown in MLflow" in outcome.warning
    assert f"{best.record.key}.pt is not a model that a sweep saved, or it is damaged" in outcome.warning
    assert outcome.report.exists()
    client = MlflowClient(store.tracking_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == definition.name)
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}


def test_a_broken_database_of_mlflow_is_one_line_and_the_report_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next run does not take it for settled; once it is moved away, every trial is shown."""
    monkeypatch.chdir(tmp_path)
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    trained.run(definition, store)
    (store.root / "mlflow.db").mkdir()
    for _ in range(2):
        outcome = run_sweep(definition, store, tmp_path, Console(quiet=True))
        assert outcome.done
        assert outcome.warning == (
            f"MLflow at {store.tracking_uri} is behind by 4 trials ({store.root / 'mlflow.db'} is not "
            "MLflow's database but a folder; move it away, then `dropattack run` again shows every trial "
            "in a new one)"
        )
        assert outcome.report.exists()
    (store.root / "mlflow.db").rmdir()
    assert run_sweep(definition, store, tmp_path, Console(quiet=True)).warning == ""
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
