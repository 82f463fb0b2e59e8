"""What a trained sweep gives in Python: its verdict, trials, best model and report."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import search.api.running
from dropattack import UsageError
from search import Result, Sweep, plan, run, status
from search.definition import sweep as definition
from search.records.store import Store
from search.results.outcome import Outcome
from search.results.usable import usable
from tests.search import trained


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "runs"
    trained.run(trained.sweep(), Store(folder))
    return folder


def test_a_result_has_what_the_command_line_says(store: Path) -> None:
    result = Result.load("attacked", store)
    (said,) = usable(Store(store), "attacked")
    assert result.verdict.lines() == said.verdict["lines"]
    assert list(result.verdicts) == list(result.bests) == ["digits-lenet5"]
    assert sorted(result.trials["key"]) == sorted(record.key for record in result.records)
    assert len(result.epochs) == 4
    assert result.failed == []
    assert repr(result) == "Result of attacked, 4 trials: 4 complete"


def test_the_best_is_loaded_and_can_be_trained_again(store: Path) -> None:
    best = Result.load("attacked", store).best
    saved = best.load_model()
    assert saved.trial.key == best.key
    assert not saved.model.training
    assert saved.model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    (stage,) = best.trains.stages
    assert list(stage.methods) == [best.method]
    assert (best.workload, best.trains.seeds) == ("digits-lenet5", (0, 1))
    assert best.hyperparameters == {**best.hyperparameters, **saved.trial.computed["hyperparameters"]}


def test_a_model_that_is_gone_is_one_line(store: Path) -> None:
    best = Result.load("attacked", store).best
    gone = replace(best, usable=replace(best.usable, model=None))
    with pytest.raises(UsageError, match=f"the model of trial {best.key} is not in the store"):
        gone.load_model()


def test_the_report_is_written_where_one_says(store: Path, tmp_path: Path) -> None:
    result = Result.load("attacked", store)
    page = result.report(tmp_path / "deep" / "mine.html")
    assert page == tmp_path / "deep" / "mine.html"
    assert result.verdict.lines()[2].split(".")[0][:20] in page.read_text(encoding="utf-8")
    assert (result.report(tmp_path / "folder", ["csv"]) / "trials.csv").exists()
    with pytest.raises(UsageError, match="is one page; name a folder for the formats csv"):
        result.report(tmp_path / "mine.html", ["csv"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        result.report(tmp_path / "file" / "mine.html")


def test_a_notebook_shows_the_verdict_and_no_markup_of_others(store: Path) -> None:
    shown = Result.load("attacked", store)
    noted = type(shown)(shown.sweep, shown.store, "trials <b>", "a & b")._repr_html_()
    for _, line in shown.verdict.headed_lines():
        assert line.replace("&", "&amp;")[:30] in noted
    assert "ended by limit: trials &lt;b&gt;" in noted
    assert "a &amp; b" in noted


def test_status_and_plan_are_of_the_records(store: Path) -> None:
    sweep = Sweep(**trained.sweep().model_dump())
    for asked in (sweep, "attacked"):
        standing = status(asked, store)
        assert (len(standing.records), standing.running) == (4, False)
    (stage,) = plan(sweep.set("seeds", [0, 1, 2]), store).stages
    assert (stage.trials, stage.recorded, stage.left) == (6, 4, 2)


def test_what_is_not_there_is_one_line(store: Path, tmp_path: Path) -> None:
    for ask in (Result.load, status):
        with pytest.raises(UsageError, match="sweep 'other' has not been run in"):
            ask("other", store)
    empty = Store(tmp_path / "runs")
    empty.define(trained.sweep())
    nothing = Result.load("attacked", empty.root)
    for name in ("verdict", "best"):
        with pytest.raises(UsageError, match="no complete trial yet"):
            getattr(nothing, name)
    assert "attacked" in nothing._repr_html_()


@pytest.mark.parametrize("progress", [False, True])
def test_a_run_is_that_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: bool
) -> None:
    asked: list[Any] = []

    def run_sweep(
        sweep: definition.Sweep,
        store: Store,
        data: Path,
        console: Console,
        uri: str,
        retry_failed: bool,
        only: Sequence[str],
    ) -> Outcome:
        asked.append((sweep, store.root, data, console.quiet, uri, retry_failed, only))
        store.define(sweep)
        return Outcome([], False, "trials 3", tmp_path, 0.0, "a warning", 0)

    monkeypatch.setattr(search.api.running, "run_sweep", run_sweep)
    monkeypatch.setenv("DROPATTACK_DATA", str(tmp_path / "data"))
    sweep = Sweep(**trained.sweep().model_dump())
    result = run(sweep, tmp_path / "runs", tracking_uri="http://m", retry_failed=True, progress=progress)
    wanted = (trained.sweep(), tmp_path / "runs", tmp_path / "data", not progress, "http://m", True, ())
    assert asked == [wanted]
    assert type(asked[0][0]) is definition.Sweep, "the definition of the store is the same class"
    assert (result.limit, result.warning, result.sweep) == ("trials 3", "a warning", sweep)


def test_a_run_with_nothing_left_gives_the_same_result(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(store.parent)
    result = run(Sweep(**trained.sweep().model_dump()), "runs", store.parent)
    assert result.verdict.lines() == Result.load("attacked", store).verdict.lines()
    assert capsys.readouterr().out == ""


def test_the_names_are_there_without_ray() -> None:
    program = "import sys; from search import Result, Sweep, plan, run, status; print('ray' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
