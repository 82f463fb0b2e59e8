"""Stacks whose trials begin anew after each death of their process."""

from pathlib import Path

from search.execution.stacks import Stacks
from search.records.record import State
from tests.search.simulation import engine, sweep, train
from trainables.trainable import DIVERGED, METRICS


def test_deaths_are_not_forgiven_for_epochs_that_came_again_otherwise(tmp_path: Path) -> None:
    """The checkpoint is never read back, the GPU is not deterministic, and epoch 3 kills the process."""
    stacks = Stacks(engine(tmp_path, sweep(stages=[{"name": "grid", "methods": {"fgm": {}}}])), lanes=1)
    for life in range(3):
        (record,) = stacks.next()
        for epoch in (1, 2):
            found = train(record, epoch) | {"train_loss": 1 + life / 10}
            assert stacks.report([record.key], {METRICS: [(record.key, found)], DIVERGED: []})
            assert len(record.epochs) == epoch
        stacks.died([record.key], "killed")
    assert record.state is State.FAILED
    assert record.reason == "its process died 3 times: killed"
