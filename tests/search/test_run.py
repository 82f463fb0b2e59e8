"""Real sweeps from the command line, with Ray in this process."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from search.definition.sweepfile import parse_sweep
from search.records.record import State
from search.records.store import Store

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("local_ray")]
Command = Callable[..., Result]
SWEEP: dict[str, Any] = {
    "name": "small",
    "workload": "digits-lenet5",
    "training": {"epochs": 1, "train_size": 200},
    "resources": {"concurrent": 1},
    "stages": [{"name": "grid", "methods": {"standard": {}}}],
}


def _write(folder: Path, sweep: Mapping[str, Any]) -> str:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return str(path)


def test_a_trial_that_diverges_is_recorded_with_its_reason_and_the_rest_goes_on(
    tmp_path: Path, command: Command
) -> None:
    sweep = SWEEP | {"training": {"epochs": 1, "train_size": 200, "learning_rate": [0.001, 1e30]}}
    finished = command("run", _write(tmp_path, sweep))
    assert finished.exit_code == 1
    assert "1 complete" in finished.stdout
    assert "1 failed" in finished.stdout
    assert "training loss became nan" in finished.stdout
    records = Store(tmp_path / "runs").journal(parse_sweep(sweep)).records
    assert sorted(record.state for record in records) == [State.COMPLETE, State.FAILED]
    report = tmp_path / "runs" / "sweeps" / "small" / "report" / "report.html"
    assert "training loss became nan" in report.read_text(encoding="utf-8")


def test_a_changed_sweep_is_refused_before_anything_is_lost(tmp_path: Path, command: Command) -> None:
    assert command("run", _write(tmp_path, SWEEP)).exit_code == 0
    journal = (tmp_path / "runs" / "sweeps" / "small" / "journal.log").read_bytes()
    refused = command("run", _write(tmp_path, SWEEP | {"training": {"epochs": 2, "train_size": 200}}))
    assert refused.exit_code == 2
    assert "another definition of epochs" in refused.stderr
    assert (tmp_path / "runs" / "sweeps" / "small" / "journal.log").read_bytes() == journal
    assert command("run", _write(tmp_path, SWEEP)).exit_code == 0
    assert (tmp_path / "runs" / "sweeps" / "small" / "journal.log").read_bytes() == journal
