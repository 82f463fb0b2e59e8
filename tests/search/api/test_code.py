"""A store that names code, looked at and gone on with from Python: none of it runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError, imported
from search.api.result import Best, Result
from search.api.running import plan, run, status
from search.api.study import Study
from search.api.sweep import Sweep
from search.records.store import Store
from search.results.usable import usable
from tests.search.test_hostile import made

EVIL = "evil_of_a_store"
HOLDS = [
    lambda store, file: status("small", store),
    lambda store, file: status(file, store),
    lambda store, file: status(Result.load("small", store).sweep, store),
    lambda store, file: Result.load("small", store).trials,
    lambda store, file: Result.load("small", store).verdicts,
    lambda store, file: Result.load("small", store)._repr_html_(),
    lambda store, file: Result.load("small", store).bests,
    lambda store, file: Result.load("small", store).best.trains,
    lambda store, file: Result.load("small", store).report(store.parent / "page.html"),
]
REFUSED = [
    lambda store, file: plan(file, store),
    lambda store, file: plan(Result.load("small", store).sweep, store),
    lambda store, file: plan(Result.load("small", store).best.trains, store),
    lambda store, file: run(file, store),
    lambda store, file: run(Result.load("small", store).sweep, store),
    lambda store, file: Study.open(file, store, trained_by="sklearn 1"),
    lambda store, file: Study.open(Result.load("small", store).sweep, store, trained_by="sklearn 1"),
    lambda store, file: Sweep.load(file),
    lambda store, file: Sweep.load(file, {"seeds": [5]}),
    lambda store, file: Result.load("small", store).sweep.set("seeds", [5]),
    lambda store, file: Best(
        usable(Store(store), "small")[0], Result.load("small", store).sweep
    ).load_model(),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / f"{EVIL}.py").write_text("raise SystemExit('code of a store ran')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(imported, "_given", set())
    place = made(tmp_path / "runs", f"{EVIL}:f")
    for record in place.journal(place.recorded("small")).records:
        model = place.model("small", record)
        model.parent.mkdir(exist_ok=True)
        model.write_bytes(b"")
    return tmp_path / "runs"


@pytest.mark.parametrize("look", HOLDS)
def test_looking_runs_no_code(store: Path, look: Callable[[Path, str], Any]) -> None:
    look(store, str(store / "sweeps/small/sweep.json"))
    assert EVIL not in sys.modules
    assert imported._given == set()


@pytest.mark.parametrize("do", REFUSED)
def test_going_on_needs_the_code_by_name(store: Path, do: Callable[[Path, str], Any]) -> None:
    with pytest.raises(UsageError, match="is code, and is not imported because a file in a store names it"):
        do(store, str(store / "sweeps/small/sweep.json"))
    assert EVIL not in sys.modules
    assert imported._given == set()


def test_what_somebody_names_in_python_is_given(store: Path) -> None:
    """Also as a change of a sweep from a store: what is new in it, and no more."""
    stages = [{"name": "one", "methods": {"standard": {}}}]
    with pytest.raises(UsageError, match="importing evil_of_a_store ends in SystemExit"):
        Sweep(name="mine", workload=f"{EVIL}:g", stages=stages)
    with pytest.raises(UsageError, match="importing evil_of_a_store ends in SystemExit"):
        Sweep(name="mine", workload="digits-lenet5", stages=stages).set("workloads", [f"{EVIL}:h"])
    assert imported._given == {f"{EVIL}:g", f"{EVIL}:h"}
