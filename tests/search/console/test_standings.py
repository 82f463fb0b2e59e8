"""`dropattack status`: which sweeps run, are finished or stopped, and what it says of each."""

import importlib
import json
import linecache
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from search.engine.code import sweep_code
from search.records.holding import is_held
from search.records.journal import exclusive
from search.records.notes import VERDICT
from search.records.provenance import Provenance
from search.records.store import Store
from tests.search.simulation import Driver, KilledError, engine, sweep
from trainables.workloads import _imported

Command = Callable[..., Result]
GRID = [{"name": "grid", "methods": {"standard": {}, "dropattack": {"epsilon": [0.1, 1.0]}}}]


def _recorded(store: Store, name: str, epochs: int | None = None) -> None:
    """A sweep of 6 trials of 9 epochs, killed after so many of all epochs."""
    definition = sweep(name=name, stages=GRID)
    store.define(definition)
    driver = Driver(engine(store.folder(name), definition), slots=2)
    store.note_total(name, driver.engine.total)
    if epochs is None:
        driver.run()
        return
    with pytest.raises(KilledError):
        driver.run(epochs)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs")
    _recorded(store, "whole")
    _recorded(store, "killed", 30)
    _recorded(store, "long-name-of-a-sweep-that-is-being-trained", 30)
    _recorded(store, "broken")
    (store.folder("broken") / "sweep.json").write_text("{}")
    return store


def test_every_sweep_has_its_line(command: Command, store: Store) -> None:
    with exclusive(store.folder("long-name-of-a-sweep-that-is-being-trained")):
        said = command("status")
    assert said.exit_code == 0
    broken, killed, running, whole, why = said.stdout.splitlines()
    assert broken.split() == ["broken", "damaged"]
    assert why.startswith("broken: runs/sweeps/broken/sweep.json is damaged")
    assert killed.split() == ["killed", "stopped", "2/6"]
    assert running.split()[1:4] == ["running", "2/6", "grid"]
    assert running.endswith("left")
    assert whole.split() == ["whole", "finished", "6/6"]
    assert max(map(len, (broken, killed, running, whole))) <= 100


@pytest.mark.parametrize(
    ("outcomes", "beaten_by", "words"),
    [
        (["undecided"], None, "undecided at equal cost"),
        (["helps"], "p-one", "beaten by p-one"),
        (["harms", "harms"], None, "harms at equal cost (2 workloads)"),
        (["helps", "harms"], None, "helps at equal cost (1 workload), harms…"),
        (["no difference that matters"], None, "no difference that matters at equal cost"),
        ([], None, ""),
    ],
)
def test_a_sweep_says_in_its_line_what_it_shows(
    command: Command, store: Store, outcomes: list[str], beaten_by: str | None, words: str
) -> None:
    """Also of how much, where trials have finished since."""
    verdicts = [
        {"workload": f"w{i}", "equal_cost": {"outcome": outcome}, "beaten_by": beaten_by}
        for i, outcome in enumerate(outcomes)
    ]
    store.note("whole", VERDICT, {"finished": 6, "verdicts": verdicts})
    store.note("killed", VERDICT, {"finished": 1, "verdicts": verdicts})
    _, killed, _, whole, _ = command("status").stdout.splitlines()
    assert whole.split("6/6")[1].strip() == words
    so_far = f"{words.rstrip('…')} after the first 1" if words else ""
    assert so_far.startswith(killed.split("2/6")[1].strip().rstrip("…")[: len(so_far)])
    assert words[:30] in killed
    found = {each["sweep"]: each for each in json.loads(command("status", "--json").stdout)}
    assert found["whole"]["equal_cost"] == {f"w{i}": outcome for i, outcome in enumerate(outcomes)}


def test_a_sweep_of_arms_says_what_their_contest_shows(command: Command, store: Store) -> None:
    met = {"outcome": "undecided", "contender": "attack", "rival": "plain"}
    verdict = {"workload": "w", "equal_cost": {"outcome": "not tested"}, "beaten_by": None, "contest": met}
    store.note("whole", VERDICT, {"finished": 6, "verdicts": [verdict]})
    (line,) = (each for each in command("status").stdout.splitlines() if each.startswith("whole"))
    assert line.split("6/6")[1].strip() == "undecided: attack against plain"
    found = {each["sweep"]: each for each in json.loads(command("status", "--json").stdout)}
    assert found["whole"]["contest"] == {"w": "undecided"}
    assert found["killed"]["contest"] == {}


def test_programs_get_the_same(command: Command, store: Store) -> None:
    found = {each["sweep"]: each for each in json.loads(command("status", "--json").stdout)}
    assert {name: each["standing"] for name, each in found.items()} == {
        "broken": "damaged",
        "killed": "stopped",
        "long-name-of-a-sweep-that-is-being-trained": "stopped",
        "whole": "finished",
    }
    whole = json.loads(command("status", "whole", "--json").stdout)
    assert whole.pop("verdict") is None, "no report has been written"
    assert (found["whole"].pop("equal_cost"), found["whole"].pop("contest")) == ({}, {})
    assert found["whole"] == whole


def test_a_store_without_sweeps_says_how_to_get_one(command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs" / "sweeps").mkdir(parents=True)
    said = command("status")
    assert (said.exit_code, said.stdout) == (
        0,
        "no sweep has been run in runs; `dropattack run demo` runs a first one\n",
    )
    assert json.loads(command("status", "--json").stdout) == []


@pytest.mark.parametrize(("name", "standing"), [("killed", "stopped"), ("whole", "finished")])
def test_what_does_not_run_has_no_pace_and_nothing_running(
    command: Command, store: Store, name: str, standing: str
) -> None:
    said = command("status", name).stdout
    assert f"\n{standing}: " in said
    assert "running" not in said
    assert "per hour" not in said
    assert " left" not in said
    assert ("to go on, repeat `dropattack run killed`" in said) == (name == "killed")
    values = json.loads(command("status", name, "--json").stdout)
    assert (values["trials_per_hour"], values["seconds_left"], values["stage"]) == (None, None, "")
    with exclusive(store.folder(name)):
        said = command("status", name).stdout
    assert ("per hour" in said) == (name == "killed")


def test_a_stopped_sweep_is_gone_on_with_by_what_was_typed(command: Command, store: Store) -> None:
    for typed in ("dropattack run old.yaml", "dropattack run 'my sweep.yaml' --data disk --only digits-mlp"):
        store.note_run("killed", Provenance(command=typed), begun=True)
    said = " ".join(command("status", "killed").stdout.split())
    assert "to go on, repeat `dropattack run 'my sweep.yaml' --data disk --only digits-mlp`" in said
    assert "old.yaml" not in said


def test_who_looks_does_not_hold(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "nowhere")
    with exclusive(tmp_path):
        assert is_held(tmp_path)
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    with exclusive(tmp_path):
        pass


OWN = """from trainables.workloads import workload_named


def lenet():
    return workload_named("digits-lenet5")
"""


def test_changed_code_is_said(
    command: Command, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By status, below its counts, and by others on standard error; code as it was, or none, is no change."""
    path = tmp_path / "standing_own.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    _edit(path, OWN)
    definition = sweep(name="own", stages=GRID, workloads=["standing_own:lenet"])
    store.define(definition)
    tested = engine(store.folder("own"), definition)
    Driver(tested).run()
    store.note_total("own", tested.total)
    store.note_code("own", sweep_code(definition))
    commands = (["status", "own"], ["status", "own", "--json"], ["report", "own"], ["best", "own"])
    assert [command(*each).stderr for each in commands] == ["", "", "", ""]
    _edit(path, f"{OWN}\n\nNUMBER = 3\n")
    line = (
        "standing_own.py has changed since own last ran; what is recorded is of the code before, "
        "and another run trains again what the change touches\n"
    )
    told = f"dropattack: {line}"
    assert [command(*each).stderr for each in commands] == ["", told, told, told]
    assert re.search(f"\nfinished: [^\n]*\n{re.escape(line)}", command("status", "own").stdout)
    for broken, told in (("def lenet(:\n", ""), ("1 / 0\n", line), ("lenet = 1 / 0\n", line)):
        _edit(path, broken)  # which nothing imports
        said = command("status", "own")
        assert (said.exit_code, line in said.stdout, said.stderr) == (0, bool(told), "")


@pytest.mark.parametrize("host", [platform.node(), "elsewhere"])
def test_code_that_is_not_found_is_said_where_the_sweep_ran(
    command: Command, store: Store, host: str
) -> None:
    """Elsewhere people read results without it."""
    definition = sweep(name="own", stages=GRID)
    store.define(definition)
    store.note_code("own", {"digits-lenet5": {"standard": {"gone_model": "0123456789abcdef"}}})
    store.note_run("own", Provenance(command="dropattack run own.yaml", host=host), begun=True)
    said = command("status", "own")
    assert (said.exit_code, said.stderr) == (0, "")
    line = "whether gone_model.py changed since own last ran is not known"
    assert (line in said.stdout) == (host == platform.node())


def _edit(path: Path, text: str) -> None:
    """Writes a module that the next command of this process reads anew, as a new process would."""
    path.write_text(text)
    sys.modules.pop(path.stem, None)
    importlib.invalidate_caches()
    linecache.clearcache()
    _imported.cache_clear()
