"""A sweep's file that was edited since it ran: named by what differs, and by nothing that does not matter."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from search.definition.edited import as_it_is_now, differing_keys
from search.definition.overriding import changes_in, override
from search.definition.sweep import Sweep
from search.definition.sweepfile import load_sweep
from search.records.store import Store
from search.results.under_attack import Attacked
from tests.search.simulation import Driver, engine

RAW: dict[str, Any] = {
    "name": "small",
    "summary": "Does it help? Changed: nothing yet.",
    "workloads": ["digits-lenet5"],
    "training": {"epochs": 2},
    "seeds": [0, 1],
    "stages": [
        {"name": "plain", "methods": {"standard": {}}},
        {"name": "grid", "methods": {"fgsm": {"epsilon": [0.1, 0.2]}}},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return _written(tmp_path / "small.yaml")


def _written(path: Path, **changes: Any) -> Path:
    raw = yaml.safe_load(yaml.safe_dump(RAW))
    for place, value in changes.items():
        override(raw, place, value)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def _ran(path: Path, store: Path, changes: dict[str, Any] | None = None) -> Sweep:
    """The sweep as a store has it."""
    Store(store).define(load_sweep(str(path), changes))
    return Store(store).recorded("small")


@pytest.mark.parametrize(
    ("place", "value", "keys"),
    [
        ("seeds", [0, 1, 2], ["seeds"]),
        ("select", {"metric": "loss"}, ["select"]),
        ("select", {"metrics": ["accuracy", "passes"], "constraints": ["passes <= 5"]}, ["select"]),
        ("limits.trials", 3, ["limits"]),
        ("training.epochs", 3, ["training.epochs"]),
        ("data.scale", 1.5, ["data.scale"]),
        ("stages.grid.methods.fgsm.epsilon", [0.1], ["stages.grid"]),
        ("stages.plain.training", {"epochs": 9}, ["stages.plain"]),
        ("stages.grid.name", "other", ["stages.other", "stages.grid"]),
        ("stages", RAW["stages"][::-1], ["stages"]),
        ("stages", RAW["stages"][:1], ["stages.grid"]),
        ("summary", "Other words.", []),
        ("resources.cpus", 2, []),
        ("scales.quick", {"seeds": [0]}, []),
        ("notify.url", "https://example.org", []),
    ],
)
def test_what_differs_is_named(path: Path, place: str, value: Any, keys: list[str]) -> None:
    ran = _ran(path, path.parent)
    assert differing_keys(as_it_is_now(str(path), ran), ran) == []
    _written(path, **{place: value})
    assert differing_keys(as_it_is_now(str(path), ran), ran) == keys


def test_what_the_run_changed_is_no_edit(path: Path) -> None:
    changes = {"training.epochs": 5, "stages.grid.methods.fgsm.epsilon": [0.1, "a=b, c"], "seeds": [3]}
    changes["stages.grid.methods.fgsm.epsilon"] = [0.5]
    ran = _ran(path, path.parent, changes)
    assert changes_in(ran.summary) == changes
    assert differing_keys(as_it_is_now(str(path), ran), ran) == []
    _written(path, **{"training.epochs": 7, "stages.plain.training": {"epochs": 4}})
    assert differing_keys(as_it_is_now(str(path), ran), ran) == ["stages.plain"]


def test_where_the_run_trained_is_no_edit(path: Path) -> None:
    """A limit on hours of GPUs is valid only beside GPUs, which no summary lists."""
    ran = _ran(path, path.parent, {"resources.gpus": 1, "limits.gpu_hours": 2})
    assert changes_in(ran.summary) == {"limits.gpu_hours": 2}
    assert differing_keys(as_it_is_now(str(path), ran), ran) == []
    _written(path, seeds=[5])
    assert differing_keys(as_it_is_now(str(path), ran), ran) == ["seeds"]


def test_what_the_run_changed_may_have_lost_its_place(path: Path) -> None:
    ran = _ran(path, path.parent, {"stages.grid.exclude": [{"epsilon": 0.1}]})
    _written(path, stages=RAW["stages"][:1])
    assert differing_keys(as_it_is_now(str(path), ran), ran) == ["stages.grid"]


def test_a_metric_that_a_workload_brings_is_no_edit(path: Path) -> None:
    _written(path, workloads=["diabetes-mlp"])
    ran = _ran(path, path.parent)
    assert ran.select.metric == "rmse"
    assert differing_keys(as_it_is_now(str(path), ran), ran) == []
    _written(path, workloads=["diabetes-mlp"], select={"metric": "accuracy"})
    assert differing_keys(as_it_is_now(str(path), ran), ran) == ["select"]
    _written(path, workloads=["nowhere:workload"])
    assert differing_keys(as_it_is_now(str(path), ran), ran) == ["workloads"]


def test_every_answer_says_by_what_it_answers(
    command: Callable[..., Result], tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.results.reporting.report_sweep", lambda *_, **__: tmp_path / "report.html")
    monkeypatch.setattr("search.results.comparing.report_comparison", lambda *_, **__: tmp_path / "page.html")
    attacked = Attacked(0, 0, [], "")
    monkeypatch.setattr("search.results.under_attack.evaluate_sweep", lambda *_, **__: attacked)
    ran = _ran(path, tmp_path / "runs")
    Driver(engine(tmp_path / "runs" / "sweeps" / "small", ran)).run()
    asked = [("status",), ("status", "--json"), ("report",), ("robustness", "--attacks", "fgsm:0.1")]
    for word, *options in asked:
        said = command(word, "small.yaml", *options)
        assert (said.exit_code, "differs" in said.stderr) == (0, False)
    _written(path, select={"metric": "loss"})
    for word, *options in [*asked, ("report", "small"), ("best", "--yaml")]:
        said = command(word, "small.yaml", *options)
        (line,) = (line for line in said.stderr.splitlines() if "differs" in line)
        assert said.exit_code == 0
        assert "in select; the answer is by what it ran with (largest accuracy); for answers" in line
        assert line.endswith("run it under another `name`, since small cannot be changed so")
    assert "differs" not in command("status", "small").stderr, "no file was named"
    _written(path, **{"seeds": [0, 1, 2], "stages.grid.methods.fgsm.epsilon": [0.1, 0.2, 0.3]})
    line = command("status", "small.yaml").stderr
    assert "in seeds and stages.grid; the answer is by what it ran with; `dropattack run small.yaml`" in line
