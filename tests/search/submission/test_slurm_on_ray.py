"""A job of SLURM with real Ray on two nodes, of which only SLURM's commands are stand-ins.

`make test-slurm` runs this; it takes some minutes.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.definition.sweepfile import parse_sweep
from search.records.journal import Journal
from search.records.record import Record, same_result
from search.submission.command import run_words
from search.submission.slurm import Allocation, sbatch_script
from tests.patience import watched
from tests.search.submission.standins import Slurm
from trainables.training.loop import Training
from trainables.workloads import workload_named

pytestmark = pytest.mark.slow
SWEEP: dict[str, Any] = {
    "name": "turns",
    "workload": "digits-lenet5",
    "training": {"epochs": 2, "batch_size": 2},
    "seeds": [0, 1, 2],
    "resources": {"cpus": 1, "checkpoint_every": "1s"},
    "stages": [{"name": "grid", "methods": {"dropattack": {"k": 6}}}],
}


def records(store: Path) -> list[Record]:
    definition = parse_sweep(SWEEP)
    path = store / "sweeps" / "turns" / "journal.log"
    return Journal(path, definition.select, writable=False).records


def test_a_sweep_that_takes_several_turns_ends_as_in_one(tmp_path: Path) -> None:
    definition, store = parse_sweep(SWEEP), tmp_path / "store"
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    run = run_words(str(tmp_path / "sweep.yaml"), str(store), str(tmp_path), "", [], "")
    allocation = Allocation(nodes=2, time="1:00:00", cpus_per_node=1)
    script = sbatch_script(definition, allocation, run, tmp_path, [sys.executable])
    slurm = Slurm(tmp_path, python=False)
    checkpoints = store / "sweeps" / "turns" / "checkpoints"

    job = slurm.run(script)
    assert watched(job, tmp_path, lambda: len(list(checkpoints.glob("*.pt"))) == 2) is None, slurm.log()
    os.kill(job.pid, signal.SIGUSR1)
    assert watched(job, tmp_path) == 0, slurm.log()
    assert slurm.requeued() == 1, slurm.log()
    begun = records(store)
    assert not any(record.epochs for record in begun), "it was to be left within the first epoch"
    saved = {path.name: path.stat().st_mtime for path in checkpoints.iterdir()}
    assert len(saved) == 2

    assert watched(slurm.run(script), tmp_path) == 0, slurm.log()
    assert slurm.requeued() == 1, "a sweep that is done was begun again"
    assert not Path(f"/tmp/ray-{slurm.job}").exists()
    done = records(store)
    assert [len(record.epochs) for record in done] == [2, 2, 2]
    for record in done[:2]:
        training = Training(record.trial, workload_named("digits-lenet5").load(tmp_path))
        alone = [training.epoch() for _ in range(2)]
        assert all(same_result(*pair) for pair in zip(record.epochs, alone, strict=True))
