"""MLflow shows of a training that began anew what it has come to since, and nothing of before."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from typing_extensions import override

from search.records.record import Record
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, KilledError, engine, train
from tests.search.tracking.simulated import check_shown, named, run_simulated, shown_by


def _shows_epoch(uri: str, name: str, epoch: int) -> bool:
    client = MlflowClient(uri)
    runs = shown_by(uri, name) if client.get_experiment_by_name(name) else []
    histories = [client.get_metric_history(run.info.run_id, "valid_accuracy") for run in runs]
    return any(metric.step == epoch for history in histories for metric in history)


class Elsewhere(Driver):
    """On a machine that computes otherwise."""

    @override
    def result(self, record: Record, epoch: int) -> dict[str, float]:
        found = super().result(record, epoch)
        return found | {n: v - 0.01 for n, v in found.items() if n.endswith("_accuracy")}


def test_a_training_that_begins_anew_on_another_machine_shows_its_results_alone(
    tmp_path: Path, uri: str, way: str
) -> None:
    definition = named(f"elsewhere-{way}")
    with pytest.raises(KilledError):
        run_simulated(tmp_path, definition, uri, 4)
    left = {record.key for record in engine(tmp_path, definition).records if not record.finished}
    assert run_simulated(tmp_path, definition, uri, driver=Elsewhere) == ""
    records = list(engine(tmp_path, definition).records)
    check_shown(uri, definition, records)
    assert left


def test_a_run_that_shows_what_has_come_out_otherwise_since_is_replaced(
    tmp_path: Path, uri: str, way: str
) -> None:
    """Its worker died and its checkpoint is lost: the trial begins anew while the sweep goes on."""
    definition = named(f"anew-{way}")
    begun: list[str] = []

    class BeginsAnew(Elsewhere):
        @override
        def run(
            self, epochs: int | None = None, before: Callable[[str, int], None] = lambda key, epoch: None
        ) -> None:
            record = self.engine.next()
            assert record is not None
            for epoch in (1, 2):
                self.engine.report(record.key, train(record, epoch))
            since = time.monotonic()
            while not _shows_epoch(uri, definition.name, 2):
                assert time.monotonic() - since < PATIENCE_SECONDS
                time.sleep(0.1)
            begun.append(record.key)
            self.engine.put_back(record.key)
            super().run(epochs, before)

    assert run_simulated(tmp_path, definition, uri, driver=BeginsAnew) == ""
    check_shown(uri, definition, list(engine(tmp_path, definition).records))
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(definition.name)
    assert experiment is not None
    deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
    assert [(r.data.tags["dropattack.key"], r.data.tags["dropattack.replaced"]) for r in deleted] == [
        (begun[0], "it shows epoch 2 of a training that has begun anew since")
    ]
