"""`dropattack report --watch`: written when records are newer, ended with the sweep, and never half."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import Result

from search.records.journal import exclusive
from search.records.store import Store
from search.results import watching
from search.results.watching import watch
from tests.search.simulation import Driver, KilledError, engine, sweep


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a sweep that was killed on its way."""
    store = Store(tmp_path / "runs")
    store.define(sweep())
    with pytest.raises(KilledError):
        Driver(engine(store.folder("small"), sweep())).run(epochs=40)
    return store


class Run:
    """A run of the sweep, in another process as it were; what it does is done while the watcher sleeps."""

    def __init__(self, store: Store, *events: str) -> None:
        self.store, self.events, self.held = store, list(events), ExitStack()
        self.held.enter_context(exclusive(store.folder("small")))
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        event = self.events.pop(0)
        if event == "records":
            with self.store.journal_path("small").open("ab") as file:
                file.write(b"\n")
        elif event == "robustness":
            self.store.keep_robustness("small", {"key": {"test_fgsm_0.1_accuracy": 0.5}})
        elif event == "end":
            self.held.close()
        elif event == "interrupt":
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("events", "written"),
    [
        (["end"], 1),
        (["nothing", "nothing", "end"], 1),
        (["records", "nothing", "robustness", "end"], 3),
        (["records", "records", "nothing", "end"], 3),
    ],
)
def test_it_is_written_whenever_records_are_newer(store: Store, events: list[str], written: int) -> None:
    run, said = Run(store, *events), list[str]()
    watch(store, "small", lambda: Path("page"), said.append, run.sleep)
    assert len(said) == written
    assert run.events == []
    assert all(line.startswith("page · ") for line in said)


def test_the_last_one_has_what_came_with_the_end(store: Store) -> None:
    run, said = Run(store, "records", "end"), list[str]()
    sleep = run.sleep

    def both(seconds: float) -> None:
        sleep(seconds)
        if run.events:
            sleep(seconds)

    watch(store, "small", lambda: Path("page"), said.append, both)
    assert len(said) == 2


def test_a_report_that_takes_long_is_followed_by_a_longer_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def write() -> Path:
        now[0] += 30
        return Path("page")

    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    run = Run(store, "nothing", "end")
    watch(store, "small", write, lambda line: None, run.sleep)
    assert run.slept[0] > 60 > run.slept[1]


def test_a_sweep_that_does_not_run_has_one_report(
    command: Callable[..., Result], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: pytest.fail("it waits for nothing"))
    said = command("report", "small", "--watch")
    assert (said.exit_code, said.stdout.count("report.html · ")) == (0, 1)
    assert store.report("small").exists()


def test_ctrl_c_ends_it_well(
    command: Callable[..., Result], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(store, "interrupt")
    monkeypatch.setattr("search.results.watching.watch.__defaults__", (print, run.sleep))
    said = command("report", "small", "--watch")
    run.held.close()
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.count("report.html · ") == 1
