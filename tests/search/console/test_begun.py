"""Folders that a user begins with: they run as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dropattack import UsageError
from search.cli import app
from search.console.begun import SAMPLES, begin
from search.definition.sweepfile import load_sweep
from search.engine.plan import plan_sweep
from search.records.store import Store
from trainables import load_model
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, _imported, workload_named


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are found in; what was imported from it is forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    _imported.cache_clear()


@pytest.mark.parametrize("kind", SAMPLES)
def test_what_is_written_is_planned_trained_and_loaded(kind: str, folder: Path) -> None:
    begin(kind, folder)
    sweep = load_sweep(str(folder / "sweep.yaml"), {})
    planned = plan_sweep(sweep, Store(folder / "runs"), folder)
    assert sum(stage.trials for stage in planned.stages) > 40
    workload = workload_named(sweep.workloads[0])
    lines = (folder / f"my_{kind}.py").read_text(encoding="utf-8").splitlines()
    own = [line for line in lines if line.strip() and not line.startswith(('"""', "import ", "from "))]
    assert len(own) <= 25, "a workload of one's own is short"
    settings = TrainingSettings(**{**workload.training.to_dict(), "epochs": 8})
    trial = Trial.make(
        workload.name, "dropattack", {"targets": "input+first"}, settings, 0, workload.checksum(folder)
    )
    training = Training(trial, workload.load(folder))
    losses = [training.epoch()["train_loss"] for _ in range(8)]
    assert losses[-1] < losses[0]
    assert training.history[-1]["test_accuracy"] > 1.3 / workload.load(folder).classes
    path = folder / "model.pt"
    save_atomically(training.result(), path)
    saved = load_model(path, workload)
    found = workload.objective.measure(saved.model, training.test, training.data).metrics
    assert found["accuracy"] == pytest.approx(saved.test["test_accuracy"])
    with pytest.raises(UsageError, match=r"load_model\(path, workload=…\)"):
        load_model(path)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; name a new folder: dropattack init texts DIR"):
        begin("texts", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_kind_and_a_file_in_the_way_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown kind of data 'tabel'; did you mean 'table'"):
        begin("tabel", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name another folder"):
        begin("table", tmp_path / "file")


def test_the_command_says_what_it_wrote_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["init", "table"])
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "wrote my_table.py, sweep.yaml, README.md and wine.csv into my-table",
        "next: cd my-table && export PYTHONPATH=$PWD && dropattack run sweep.yaml",
    ]
    assert "my_table.py" in (tmp_path / "my-table" / "README.md").read_text(encoding="utf-8")
