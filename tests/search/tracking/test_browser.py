"""What Debian's chromium shows of a sweep in MLflow and in optuna-dashboard, as `ui` serves them."""

import html
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search.definition.sweep import Sweep
from search.records.record import Record
from search.records.store import Store
from search.tracking.projection import Projection
from search.tracking.told import Told
from tests.patience import PATIENCE_SECONDS
from tests.search.simulation import Driver, engine, sweep

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]
NOTE = "At equal cost it helps, says the note."


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that shows a grid of three seeds and its baseline."""
    made = Store(tmp_path_factory.mktemp("browsed"))
    definition = _definition()
    made.define(definition)
    tested = engine(made.folder(definition.name), definition)
    Driver(tested).run()
    projection = Projection(made.tracking_uri, definition, made.artifacts, {})
    projection.start(tested.records)
    projection.drain(PATIENCE_SECONDS)
    told = Told({"mlflow.note.content": NOTE}, {"gain/equal_cost": 0.0123})
    assert projection.close([], verdict=told) == ""
    return made


def _definition() -> Sweep:
    grid = {"dropattack": {"epsilon": [0.25, 1.5], "p": [0.3, 0.7]}}
    stages = [
        {"name": "baseline", "methods": {"standard": {}}},
        {"name": "grid", "methods": grid},
    ]
    return sweep(name="browsed", seeds=[0, 1, 2], training={"epochs": 2}, stages=stages)


def _records(store: Store) -> list[Record]:
    return list(store.journal(store.recorded("browsed")).records)


@contextmanager
def _served(store: Store, *options: str) -> Iterator[list[str]]:
    """The addresses that `ui` prints, while what it serves answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "search", "ui", "browsed", "--store", str(store.root)]
    served = subprocess.Popen(
        [*command, "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert served.stdout is not None
        lines = [served.stdout.readline() for _ in range(1 if options else 2)]
        _wait_for(port, served)
        yield [line.split()[-1] for line in lines]
    finally:
        os.killpg(served.pid, 15)
        served.wait()


def _wait_for(port: int, served: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert served.poll() is None, "it ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("nothing answers")


def _seen(address: str, folder: Path) -> str:
    """The text of a page once its scripts have run, a word apart from the next."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
    command += ["--window-size=2600,1400", "--virtual-time-budget=60000", "--dump-dom", address]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)))


def test_mlflow_opens_on_configurations_with_means_and_charts(store: Store, tmp_path: Path) -> None:
    """No assistant, no GenAI menu; the mean and interval of a configuration, and a map of the grid."""
    own = [r for r in _records(store) if r.trial.hyperparameters.get("epsilon") == 0.25]
    own = [record for record in own if record.trial.hyperparameters["p"] == 0.3]
    select = store.recorded("browsed").select
    values = [value for record in own if (value := record.value(select)) is not None]
    assert len(values) == 3
    with _served(store) as (configurations, trials):
        table = _seen(configurations, tmp_path)
        for column in (
            "method",
            "epsilon",
            "p",
            "k",
            "targets",
            "control",
            "best/valid_accuracy",
            "best/seeds",
        ):
            assert re.search(rf"\s{column}\s", table), column
        assert f"{statistics.fmean(values):.6f}"[:6] in table
        assert "best/test_accuracy_low" in table
        assert "5 matching runs" in re.sub(r"\s+", " ", table)
        assert "Assistant" not in table
        assert "Judges" not in table
        charts = _seen(f"{configurations}&compareRunsMode=CHART", tmp_path)
        assert "Parallel Coordinates" in charts
        assert "What matters" in charts
        assert "No charts in this section" not in charts
        shown = _seen(trials, tmp_path)
        assert re.search(r"\sseed\s", shown)
        assert "15 matching runs" in re.sub(r"\s+", " ", shown)
        server, _, rest = configurations.partition("/#/")
        experiment = rest.split("/")[1].partition("?")[0]
        run = _parent(store)
        parent = _seen(f"{server}/#/experiments/{experiment}/runs/{run}", tmp_path)
        assert NOTE in re.sub(r"\s+", " ", parent)
        assert "gain/equal_cost" in parent


def test_optuna_dashboard_shows_a_grid(store: Store, tmp_path: Path) -> None:
    with _served(store, "--optuna") as (address,):
        assert "grid/digits-lenet5" in _seen(address, tmp_path)
        seen = _seen(f"{address}/studies/1/analytics", tmp_path)
        assert "Param epsilon" in seen
        seen = _seen(f"{address}/studies/1/smartSelection", tmp_path)
        assert "Parallel Coordinate" in seen
        assert re.search(r"\sepsilon\s", seen)


def _parent(store: Store) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name("browsed")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.`dropattack.kind` = 'sweep'")
    return str(run.info.run_id)
