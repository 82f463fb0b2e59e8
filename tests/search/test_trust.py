"""What a store's files name is not imported; what a person names is."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result as Done

from analysis.export import trials_table
from dropattack import UsageError, imported, registry
from search import Result, Sweep
from search.records.store import Store
from search.results.frames import records_for_analysis
from search.results.landscapes import Landscape
from search.results.reporting import report_sweep
from search.results.under_attack import evaluate_sweep
from search.tracking.shown import ShownRuns
from tests.search import trained
from trainables import workloads
from trainables.saved import load_model
from trainables.trial import Trial

Command = Callable[..., Done]
OWN = """
import dropattack
from dropattack import StepResult
from trainables.workloads import Workload, workload_named


class Plain(dropattack.Method):
    name = "own-plain"
    summary = "Plain."
    source = "Here."

    def gather(self, model, batch):
        return StepResult(*self.forward_backward(model, *batch))


def lenet():
    shipped = workload_named("digits-lenet5")
    return Workload(dataset=shipped.dataset, architecture=shipped.architecture, training=shipped.training)


def other():
    return deploy()


def deploy():
    open(__file__ + ".deployed", "w").close()
    return lenet()
"""
METHODS = {"standard": {}, "trusted_own:Plain": {}}
NAMES = {"workload": "trusted_own:lenet", "stages": [{"name": "grid", "methods": METHODS}]}
SWEEP = "name: attacked\nworkload: trusted_own:lenet\ntraining: {epochs: 1, train_size: 128}\nseeds: [0, 1]\n"
SWEEP += "stages:\n  - {name: grid, methods: {standard: {}, 'trusted_own:Plain': {}}}\n"


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a store whose sweep was trained with the own code of somebody else."""
    folder = tmp_path_factory.mktemp("handed")
    (folder / "modules").mkdir()
    (folder / "modules" / "trusted_own.py").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "modules"))
        trained.run(trained.sweep(**NAMES), Store(folder / "runs"))
        _forget()
        tells = f"open({str(folder / 'ran')!r}, 'w').close()"
        (folder / "modules" / "trusted_own.py").write_text(f"{tells}\n{OWN}")
        yield folder
        _forget()


@pytest.fixture
def store(handed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that store, on whose machine the code says that it ran."""
    monkeypatch.setattr(imported, "_given", set())
    _forget()
    (handed / "ran").unlink(missing_ok=True)
    shutil.copytree(handed / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def _forget() -> None:
    sys.modules.pop("trusted_own", None)
    workloads._imported.cache_clear()
    registry._imported.cache_clear()


READING = (
    *(["status"], ["status", "attacked"], ["status", "attacked", "--json"], ["sweeps", "attacked"]),
    *(
        ["report", "attacked", "--format", "html,csv,parquet,tex,md"],
        ["store", "check", "--mend"],
        ["sweeps"],
    ),
    *(["best", "attacked", "--yaml"], ["best", "attacked", "--json"], ["targets", "digits-lenet5"]),
)
NEEDING = (
    *(["report", "attacked", "--landscape"], ["robustness", "attacked", "--attacks", "fgsm:0.1"]),
    *(["plan", "runs/sweeps/attacked/sweep.json"], ["run", "runs/sweeps/attacked/sweep.json"]),
)


@pytest.mark.parametrize("words", [*READING, *NEEDING], ids=" ".join)
def test_no_command_imports_what_a_store_names(
    command: Command, handed: Path, store: Path, words: list[str]
) -> None:
    done = command(*words)
    assert not (handed / "ran").exists()
    assert "trusted_own" not in sys.modules
    if words in NEEDING:
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1
        assert "name your own sweep file, or write `dropattack --import trusted_own:" in done.stderr
    else:
        assert done.exit_code == 0


@pytest.mark.parametrize("given", ["file", "option"])
def test_what_a_person_names_is_imported(
    command: Command, handed: Path, store: Path, tmp_path: Path, given: str
) -> None:
    """Their own sweep file names it, or an option does."""
    (tmp_path / "mine.yaml").write_text(SWEEP)
    names = ("trusted_own:lenet", "trusted_own:Plain")
    options = [word for name in names for word in ("--import", name)] if given == "option" else []
    sweep = "attacked" if given == "option" else "mine.yaml"
    done = command(*options, "robustness", sweep, "--attacks", "fgsm:0.1")
    assert (done.exit_code, "dropattack: 4 models attacked" in done.stderr.splitlines()) == (0, True)
    assert (handed / "ran").exists()


def test_what_a_person_types_is_imported(command: Command, handed: Path, store: Path) -> None:
    assert command("targets", "trusted_own:lenet").exit_code == 0
    assert (handed / "ran").exists()
    assert command("methods", "trusted_own:Plain").exit_code == 0


def test_nor_does_the_library(handed: Path, store: Path) -> None:
    for act in (
        lambda: report_sweep("attacked", Store(store), landscape=Landscape(Path())),
        lambda: evaluate_sweep("attacked", Store(store), Path(), "fgsm:0.1"),
        lambda: load_model(next((store / "sweeps/attacked/models").glob("*.pt"))),
    ):
        with pytest.raises(UsageError, match="trusted_own:lenet"):
            act()
    assert not (handed / "ran").exists()


ODD = {
    "builtins:exit": "builtins is a module of Python's own",
    "os:abort": "os is a module of Python's own",
    "antigravity:fly": "antigravity is a module of Python's own",
    "odd_ok:x": "must name a Workload or a function of one, not int",
    "odd_ok:ends": "ends in SystemExit: 7 (odd_ok.py:4 in ends)",
    "odd_ok:raises": "ends in ZeroDivisionError",
    "odd_ok:other": "must return a Workload, not dict",
    "odd_ends:x": "importing odd_ends ends in SystemExit",
    "odd_raises:x": "importing odd_raises ends in RuntimeError: two (odd_raises.py:1)",
    f"{'x' * 300}:f": "there is no module",
    "..:x": "importing .. ends in",
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("kind", ["file", "argument"])
def test_a_name_that_is_no_workload_is_one_line(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.setattr(imported, "_given", set())
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (tmp_path / "modules").mkdir()
    ends = "x = 3\nother = dict\ndef ends():\n    raise SystemExit(7)\ndef raises():\n    1 / 0\n"
    for module, text in (
        ("odd_ok", ends),
        ("odd_ends", "import sys\nsys.exit()\n"),
        ("odd_raises", "raise RuntimeError('two\\nlines')\n"),
    ):
        (tmp_path / "modules" / f"{module}.py").write_text(text)
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: mine\nworkload: '{name}'\nstages: [{{name: a, methods: {{standard: {{}}}}}}]\n")
    done = command("plan", str(file)) if kind == "file" else command("targets", name)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert ODD[name] in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "modules"]


def test_nor_does_what_was_read(handed: Path, store: Path) -> None:
    """Of a record, of a table for other tools, or of what an MLflow server says of a trial."""
    definition = Store(store).recorded("attacked")
    record = next(r for r in Store(store).journal(definition).records if ":" in r.trial.method)
    read = Trial.from_dict(json.loads(json.dumps(record.trial.to_dict())))
    for act in (
        lambda: record.trial.settings,
        lambda: record.trial.architecture,
        lambda: read.identity,
        lambda: read.objective,
    ):
        with pytest.raises(UsageError, match="trusted_own:"):
            act()
    tables = records_for_analysis(definition, [record], ShownRuns(), {})
    assert list(trials_table(tables)["workload"]) == ["trusted_own:lenet"]
    assert not (handed / "ran").exists()
    workloads.workload_named("trusted_own:lenet")  # whoever writes this in Python gives it
    assert read.architecture is not None


def test_what_a_person_imported_or_hands_over_is_used(handed: Path, store: Path, tmp_path: Path) -> None:
    """In Python, where the error says how."""
    best = Result.load("attacked", store).best
    with pytest.raises(UsageError, match=r"write `import trusted_own` before, or name your own sweep file"):
        best.load_model()
    assert not (handed / "ran").exists()
    own = importlib.import_module(best.workload.partition(":")[0])
    saved = best.load_model()
    assert saved.trial.key == best.key
    records = Store(store).journal(Store(store).recorded("attacked")).records
    assert {type(record.trial.settings).__name__ for record in records} == {"Settings", "StandardSettings"}
    _forget()
    imported._given.clear()
    assert best.load_model(own.lenet()).test == saved.test
    (tmp_path / "mine.yaml").write_text(SWEEP)
    by_file = Result.load(tmp_path / "mine.yaml", store)
    assert by_file.best.load_model().trial.key == best.key
    assert repr(Result.load(Sweep.load(tmp_path / "mine.yaml"), store)) == repr(by_file)


@pytest.mark.parametrize(
    "name", ["trusted_own:other", "trusted_own:deploy", "trusted_own:none", "mlflow:start_run"]
)
def test_a_store_calls_no_function_of_an_imported_module_that_makes_no_workload(
    handed: Path, store: Path, name: str
) -> None:
    importlib.import_module(name.partition(":")[0])
    with imported.given_only(), pytest.raises(UsageError, match="is code, and is not imported because"):
        workloads.workload_named(name)
    with imported.given_only(), pytest.raises(UsageError, match="is code, and is not imported because"):
        registry.method_named(name)
    assert not list(handed.rglob("*.deployed"))
