"""The end of a run where files of the store are damaged: one warning, and everything else is done."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from rich.console import Console

from search.records.store import Store
from search.results.best import best_by_workload
from search.service import run_sweep
from search.tracking.projection import Projection
from search.tracking.settled import is_settled
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


@pytest.mark.parametrize("foreign", [True, False])
def test_a_database_that_is_lost_while_it_is_open_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: bool
) -> None:
    """SQLite writes to no file that was removed; the report is there all the same."""
    monkeypatch.chdir(tmp_path)
    store, definition = Store(tmp_path / "runs"), trained.sweep()
    trained.run(definition, store)
    database = store.root / "mlflow.db"
    drain = Projection.drain

    def drain_and_lose(self: Projection, *args: float) -> None:
        drain(self, *args)
        database.rename(tmp_path / "away")
        if foreign:
            MlflowClient(f"sqlite:///{tmp_path}/other.db").create_experiment("other")
            (tmp_path / "other.db").rename(database)

    monkeypatch.setattr(Projection, "drain", drain_and_lose)
    outcome = run_sweep(definition, store, tmp_path, Console(quiet=True))
    assert "was removed or replaced while it was open" in outcome.warning
    assert outcome.report.exists()
    assert not is_settled(store, definition.name)


def test_the_sweeps_run_tells_the_verdict_and_whoever_changes_it_is_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminal, MLflow and the note beside the journal say the same sentences."""
    monkeypatch.chdir(tmp_path)
    store, definition = Store(tmp_path / "runs"), trained.sweep(summary="Is it worth it?")
    engine = trained.run(definition, store)

    def told() -> dict[str, str]:
        outcome = run_sweep(definition, store, tmp_path, Console(quiet=True))
        assert outcome.verdict is not None
        (verdict,) = outcome.verdict["verdicts"]
        (experiment,) = (e for e in client.search_experiments() if e.name == definition.name)
        (run,) = client.search_runs([experiment.experiment_id], "tags.`dropattack.kind` = 'sweep'")
        tags: dict[str, str] = run.data.tags
        assert tags["mlflow.note.content"] == "\n\n".join([*verdict["lines"], "Is it worth it?"])
        assert tags["dropattack.verdict.equal_cost"] == "not tested"
        assert tags["dropattack.verdict.equal_epochs"] == "undecided"
        assert float(tags["dropattack.verdict.equal_epochs.gain"]) == pytest.approx(
            verdict["equal_epochs"]["gain"], rel=1e-5
        )
        assert tags["dropattack.verdict.equal_epochs.low"] == "", "two seeds have no interval"
        assert tags["dropattack.verdict.use"] == "plain training"
        metrics, cost = run.data.metrics, verdict["equal_epochs"]
        assert metrics["gain/equal_epochs"] == cost["gain"]
        assert metrics["best/test_accuracy"] == verdict["use"]["mean"]
        assert metrics["baseline/test_accuracy"] == verdict["baseline"]["mean"]
        passes = sum(record.trial.passes for record in engine.records)
        assert metrics["spent/passes"] == passes
        seconds = sum(epoch["seconds"] for record in engine.records for epoch in record.epochs)
        assert metrics["spent/hours"] == pytest.approx(seconds / 3600)
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("digits", engine.records[0].trial.checksum)
        assert mlflow.pyfunc.load_model(f"{_winner(client, experiment.experiment_id)}/model")
        trials = client.search_runs([experiment.experiment_id], "tags.`dropattack.kind` = 'trial'")
        shown = {
            trial.data.tags["dropattack.method"]
            for trial in trials
            if client.list_artifacts(trial.info.run_id, "model")
        }
        assert "standard" in shown, "the model of what is recommended"
        return {"run": run.info.run_id, "experiment": experiment.experiment_id}

    client = MlflowClient(store.tracking_uri)
    found = told()
    client.set_tag(found["run"], "mlflow.note.content", "It works wonders.")
    client.set_tag(found["run"], "dropattack.verdict.use", "fgsm")
    client.log_metric(found["run"], "gain/equal_epochs", 0.9, 4_000_000_000_000)
    assert not is_settled(store, definition.name)
    told()
    assert is_settled(store, definition.name)
    (store.folder(definition.name) / "verdict.json").unlink()
    assert not is_settled(store, definition.name)
    told()


def _winner(client: MlflowClient, experiment: str) -> str:
    """Where the files are of a run with a model."""
    runs = client.search_runs([experiment], "tags.`dropattack.kind` = 'trial'")
    shown = (run for run in runs if client.list_artifacts(run.info.run_id, "model"))
    return str(next(shown).info.artifact_uri)
