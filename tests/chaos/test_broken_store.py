"""A store that breaks while workers train: the run ends in one line, and mended it goes on."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from search.records.record import State
from tests.chaos.harness import GRID, Sweeping, check


@pytest.mark.heavy
@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_written_ends_the_run_in_one_line_and_loses_nothing(
    tmp_path: Path,
) -> None:
    sweeping = Sweeping(tmp_path, GRID)
    in_the_way = tmp_path / "runs" / "sweeps" / "chaos" / "checkpoints"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    assert sweeping.run() == 1
    log = (tmp_path / "driver.log").read_text(encoding="utf-8")
    assert log.splitlines()[-1].startswith("dropattack: a file of the store")
    assert "Traceback" not in log
    assert {record.state for record in sweeping.records()} == {State.RUNNING}
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    shown = {run.info.status for run in runs if "dropattack.key" in run.data.tags}
    parent = [run.info.status for run in runs if run.data.tags["dropattack.kind"] == "sweep"]
    assert (shown, parent) == ({"KILLED"}, ["FAILED"])
    in_the_way.unlink()
    assert {record.state for record in sweeping.finish()} == {State.COMPLETE}
    check(sweeping, interruptions=1)
