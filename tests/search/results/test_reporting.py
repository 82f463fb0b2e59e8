"""What a report says of the sweep that it is about."""

import html
import re
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.questions import sharpness
from analysis.sections import landscape as part
from search.definition.source import bundled_sweeps
from search.definition.sweep import Sweep
from search.definition.sweepfile import load_sweep
from search.engine.plan import remarks_on_definition
from search.records.provenance import Provenance
from search.records.store import Store
from search.results.landscapes import Landscape
from search.results.reporting import report_sweep, tables_named
from tests.search import trained
from tests.search.records.nodes import Nodes
from tests.search.simulation import Driver, engine, sweep
from trainables.remote.bucket import Bucket, RemoteError
from trainables.workloads import Workload, workload_named

NO_SERVER = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def recorded(root: Path, definition: Sweep) -> Store:
    """A store in which a sweep has been run, by a made-up trainer."""
    store = Store(root)
    store.folder(definition.name).mkdir(parents=True, exist_ok=True)
    Driver(engine(store.folder(definition.name), definition)).run()
    store.define(definition)
    return store


def run_again(page: str, folder: Path) -> Sweep:
    """The sweep that one gets who does what the report says."""
    _, definition = re.findall(r"<pre tabindex=\"0\">(.*?)</pre>", page, flags=re.DOTALL)
    (name,) = re.findall(r"dropattack run (\S+) runs it", page)
    file = folder / name
    file.write_text(html.unescape(definition), encoding="utf-8")
    return load_sweep(str(file))


SEEDS = [5, 6, 7, 8]


@pytest.mark.parametrize("name", bundled_sweeps())
def test_every_sweep_is_reproduced_from_its_report(name: str, tmp_path: Path) -> None:
    changes: list[tuple[dict[str, Any], str]] = [({}, ""), ({"training.epochs": 1, "seeds": SEEDS}, "")]
    changes += [({"seeds": SEEDS}, scale) for scale in load_sweep(name).scales]
    for overrides, scale in changes:
        definition = load_sweep(name, overrides, scale)
        store = Store(tmp_path)
        store.define(definition)
        page = report_sweep(definition.name, store, NO_SERVER).read_text(encoding="utf-8")
        assert run_again(page, tmp_path) == definition


def test_the_answer_of_the_demo_is_a_short_read(tmp_path: Path) -> None:
    """At most 900 words before how it was measured, and no remark about a batch that is as good as any."""
    definition = load_sweep("demo")
    page = report_sweep("demo", recorded(tmp_path, definition), NO_SERVER).read_text(encoding="utf-8")
    answer = page[page.index("<main") : page.index("How this was measured")]
    words = re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", " ", answer, flags=re.DOTALL)).split()
    assert 300 < len(words) <= 900
    assert remarks_on_definition(definition, tmp_path) == []


def test_a_definition_in_a_store_can_be_run(tmp_path: Path) -> None:
    """Numbers that JSON writes as ``1e-05`` stay numbers, and letters beyond ASCII what they are."""
    definition = sweep(training={"epochs": 9, "learning_rate": 1e-05}, summary="Is ε small?")
    store = Store(tmp_path)
    store.define(definition)
    assert load_sweep(str(store.folder("small") / "sweep.json")) == definition


def test_what_was_changed_stands_in_the_summary() -> None:
    plain = load_sweep("mnist-layers").summary
    assert load_sweep("mnist-layers", {"seeds": [0]}).summary == f"{plain} Changed: seeds=[0]."
    where = {"resources.concurrent": 4, "resources.cpus": 2}
    assert load_sweep("mnist-layers", where).summary == plain, "where it trains is no part of the question"
    both = load_sweep("mnist-layers", {"seeds": [0], **where})
    assert both.summary == f"{plain} Changed: seeds=[0]."
    assert both.resources.concurrent == 4
    quick = load_sweep("mnist-layers", {"training.epochs": 3}, "quick").summary
    assert quick.startswith(f"{plain} Changed: ")
    assert "training.train_size=1000" in quick
    assert quick.endswith("training.epochs=3.")
    assert load_sweep("mnist-layers", {"summary": "mine"}).summary == "mine"


def test_a_report_says_with_what_it_was_trained_and_with_what_it_ran(tmp_path: Path) -> None:
    store = recorded(tmp_path, sweep())
    page = report_sweep("small", store, NO_SERVER).read_text(encoding="utf-8")
    assert "epochs\N{NO-BREAK SPACE}9" in page
    assert "epsilon\N{NO-BREAK SPACE}" in page
    assert "hidden1\N{NO-BREAK SPACE}120" in page
    assert "ran with were not recorded" in page
    for torch_version in ("2.0", "2.1"):
        typed = f"dropattack run small --store {store.root}"
        came_from = Provenance(command=typed, host="n1", versions={"torch": torch_version})
        store.note_run("small", came_from, begun=True)
    page = report_sweep("small", store, NO_SERVER).read_text(encoding="utf-8")
    assert '<pre tabindex="0">dropattack run small --store ' in page
    assert "torch unknown, 2.0, 2.1" in page, "records were there before versions were noted"
    assert re.search(r"Run 2 times, last on 2\d{3}-\d\d-\d\d \d\d:\d\d UTC: host n1<", page)


def test_a_bucket_that_goes_away_is_not_taken_for_models_that_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = recorded(Nodes(monkeypatch, tmp_path).store("a").root, sweep())
    tables = tables_named("small", store, NO_SERVER)
    key = tables.trials["key"].iloc[0]
    assert tables.recognised(key) is None, "there is no model"

    def away(self: Bucket, name: str) -> bytes:
        raise RemoteError("s3://bucket cannot be reached")

    monkeypatch.setattr(Bucket, "read", away)
    with pytest.raises(RemoteError, match="cannot be reached"):
        tables.recognised(key)


def test_versions_of_every_run_are_kept_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.define(sweep())
    assert store.versions("small") == {}
    for number in ("2.0", "2.1", "2.0"):
        came_from = Provenance(versions={"torch": number, "ray": "3"})
        store.note_run("small", came_from, begun=number != "2.0")
    assert store.versions("small") == {"torch": "2.0, 2.1", "ray": "3"}


def twin() -> Workload:
    """A second workload that needs no data."""
    return workload_named("digits-lenet5")


def test_landscapes_are_of_the_trained_models_of_every_workload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The middle of the line and of the surface is the loss that was recorded when training ended."""
    workloads = ["digits-lenet5", f"{__name__}:twin"]
    definition = trained.sweep(workload=None, workloads=workloads, seeds=[0])
    store = Store(tmp_path)
    engine = trained.run(definition, store)
    shown: list[tuple[pd.DataFrame, ...]] = []
    section = part.section
    monkeypatch.setattr(sharpness, "sharpness", partial(sharpness.sharpness, iterations=2))
    monkeypatch.setattr(part, "section", lambda *given: shown.append(given) or section(*given))
    page = report_sweep(definition.name, store, NO_SERVER, landscape=Landscape(tmp_path, points=3))
    text = page.read_text(encoding="utf-8")
    for workload, (line, surface, _, named) in zip(workloads, shown, strict=True):
        assert named == workload
        assert f"{workload}: along one direction" in text
        recorded = {r.name: r.epochs[-1] for r in engine.records if r.trial.workload == workload}
        for table in (line, surface.query("eta == 0")):
            losses = table.query("delta == 0").set_index("label")["loss"]
            assert len(losses) == 2
            for label, loss in losses.items():
                assert loss == pytest.approx(recorded[label]["test_loss"], rel=1e-4)
