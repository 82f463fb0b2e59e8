"""An edited workload, helper or method gives new trials; what was trained before stays, apart."""

import itertools
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dropattack import UsageError, registry
from search import session
from search.definition.sweep import Sweep
from search.definition.sweepfile import parse_sweep
from search.engine.code import sweep_code
from search.engine.engine import Engine
from search.engine.plan import Plan, plan_sweep
from search.records.store import Store
from search.service import run_sweep
from tests.search.journals import resealed
from tests.search.simulation import Driver
from trainables.trainable import StackTrainable
from trainables.usercode import check_code, user_code
from trainables.workloads import workload_named

WORKLOAD = '''
from dataclasses import dataclass

from torch import nn

import NAME_method
from NAME_helper import activation
from trainables import Architecture, Workload, named
from trainables.datasets.digits import Digits


@dataclass(frozen=True, kw_only=True)
class Perceptron(Architecture):
    """Settings."""

    def build(self, data):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), activation(), nn.Linear(8, data.classes))

    @property
    def targets(self):
        return named({"fc1": "1", "fc2": "3"})


def perceptron():
    return Workload(name="perceptron", summary="Own.", dataset=Digits(), architecture=Perceptron())
'''
HELPER = "from torch import nn\n\n\ndef activation():\n    return nn.ReLU()\n"
METHOD = """
import dropattack
from dropattack import StepResult


@dropattack.register
class Noisy(dropattack.Method):
    name = "NAME-noisy"
    summary = "Noise."
    source = "Here."

    def gather(self, model, batch):
        seen = StepResult(*self.forward_backward(model, *batch))
        for parameter in model.parameters():
            parameter.grad.add_(0.001)
        return seen
"""
NUMBERS = itertools.count()
FILES = {"workload": WORKLOAD, "helper": HELPER, "method": METHOD}


class Own:
    """A user's three files under names that no other test has."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        for part, text in FILES.items():
            self.write(part, text)

    def write(self, part: str, text: str) -> None:
        (self.folder / f"{self.name}_{part}.py").write_text(text.replace("NAME", self.name))

    def edit(self, part: str, old: str, new: str) -> None:
        assert old in FILES[part]
        self.write(part, FILES[part].replace(old, new))

    @property
    def workload(self) -> str:
        return f"{self.name}_workload:perceptron"

    def sweep(self) -> Sweep:
        methods = {"standard": {}, f"{self.name}-noisy": {}, "fgm": {"epsilon": [0.1, 1]}}
        workload_named(self.workload)
        return parse_sweep(
            {
                "name": "own",
                "workloads": [self.workload, "digits-lenet5"],
                "training": {"epochs": 1},
                "stages": [{"name": "grid", "methods": methods}],
            }
        )


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    return Own(tmp_path, f"own{next(NUMBERS)}")


def run(own: Own, store: Store) -> Engine:
    """What a run does of this, without Ray and without training."""
    sweep, code = own.sweep(), sweep_code(own.sweep())
    store.folder("own").mkdir(parents=True, exist_ok=True)
    journal = store.journal(sweep, writable=True, code=code)
    engine = Engine(sweep, journal, lambda workload, options: workload_named(workload).checksum(own.folder))
    store.note_code("own", code)
    store.define(sweep)
    Driver(engine).run()
    return engine


def plan(own: Own, store: Store) -> Plan:
    return plan_sweep(own.sweep(), store, own.folder)


def left(planned: Plan) -> dict[str, int]:
    return {stage.workload.partition(":")[2] or stage.workload: stage.left for stage in planned.stages}


EDITS = {
    "the workload's file": ("workload", "nn.Linear(784, 8)", "nn.Linear(784, 8, False)", 4, 0),
    "a helper that it imports": ("helper", "nn.ReLU()", "nn.Hardtanh(0, 1e-9)", 4, 0),
    "a method that it registers": ("method", "add_(0.001)", "add_(1.0)", 4, 1),
}
"""What is edited, and how many trials that gives the own workload and the other one."""


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_gives_new_trials_and_says_so(own: Own, tmp_path: Path, edit: str) -> None:
    store = Store(tmp_path / "runs")
    before = run(own, store)
    assert left(plan(own, store)) == {"perceptron": 0, "digits-lenet5": 0}

    part, old, new, of_own, of_other = EDITS[edit]
    own.edit(part, old, new)
    planned = plan(own, store)
    assert left(planned) == {"perceptron": of_own, "digits-lenet5": of_other}
    (remark,) = planned.remarks
    assert remark == (
        f"{own.name}_{part}.py differs from what {of_own + of_other} records were trained with; "
        "they stay under the old code"
    )

    after = run(own, store)
    assert len(after.records) == len(before.records) == 8
    assert len({r.key for r in after.records} & {r.key for r in before.records}) == 8 - of_own - of_other
    again = store.journal(own.sweep())
    assert (len(again.records), len(again.apart)) == (8, of_own + of_other)
    assert plan(own, store).remarks == [], "nothing is left to train"
    further = own.sweep().model_copy(update={"seeds": (0, 1)})
    assert plan_sweep(further, store, own.folder).remarks == [], "the run before has said it"

    own.write(part, FILES[part])
    assert left(plan(own, store)) == {"perceptron": 0, "digits-lenet5": 0}, "the old code has its old records"
    assert {r.key for r in run(own, store).records} == {r.key for r in before.records}


def test_a_run_with_nothing_left_does_not_repeat_it(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "finish_sweep", lambda *_: (tmp_path / "report.html", ""))
    store, shown = Store(tmp_path / "runs"), StringIO()
    run(own, store)
    own.edit("helper", "nn.ReLU()", "nn.Tanh()")
    run(own, store)
    assert store.journal(own.sweep()).apart
    assert not run_sweep(own.sweep(), store, own.folder, Console(file=shown)).trained
    assert "differs" not in shown.getvalue()


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("helper", "return nn.ReLU()", "# rectified\n    return nn.ReLU()"),
        ("workload", '"""Settings."""', '"""Sizes, of which there are none."""'),
        ("method", "import dropattack\n", "import dropattack\n\n\n"),
    ],
)
def test_a_comment_a_docstring_and_layout_give_none(
    own: Own, tmp_path: Path, part: str, old: str, new: str
) -> None:
    store = Store(tmp_path / "runs")
    run(own, store)
    own.edit(part, old, new)
    (tmp_path / "unrelated.py").write_text("LIMIT = 3\n")
    planned = plan(own, store)
    assert left(planned) == {"perceptron": 0, "digits-lenet5": 0}
    assert planned.remarks == []


def test_what_ships_brings_no_code() -> None:
    assert user_code("digits-lenet5", "dropattack") == {}
    assert user_code("imdb-lstm", "standard") == {}


def test_a_worker_does_not_run_other_code_under_a_trials_name(own: Own, tmp_path: Path) -> None:
    own.sweep()
    code = user_code(own.workload, "standard")
    check_code(own.workload, "standard", code)
    own.edit("helper", "ReLU", "Tanh")
    with pytest.raises(UsageError, match=f"{own.name}_helper changed since this trial was planned"):
        check_code(own.workload, "standard", code)
    assert "check_code" in StackTrainable._resume.__code__.co_names


def test_records_from_before_code_was_recorded_stay_apart(own: Own, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    run(own, store)
    journal = store.journal_path("own")
    code = sweep_code(own.sweep())
    known = {
        name: digest for methods in code.values() for own in methods.values() for name, digest in own.items()
    }

    def without_code(content: bytes) -> bytes:
        for module, digest in known.items():
            told = f'"{module}":"{digest}"'.encode()
            content = content.replace(told + b",", b"").replace(told, b"")
        return content

    journal.write_bytes(resealed(journal.read_bytes(), without_code))
    planned = plan(own, store)
    assert left(planned) == {"perceptron": 4, "digits-lenet5": 1}
    assert planned.remarks == ["5 records were recorded before records held their code, and stay apart"]


def test_code_that_does_not_decide_what_is_computed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "made_inside.py").write_text(
        "from trainables.workloads import workload_named\n\n\n"
        "def make():\n    def inner():\n        return workload_named('digits-lenet5')\n\n    return inner\n"
        "\n\n"
        "workload = make()\n"
    )
    with pytest.raises(UsageError, match="made inside a function"):
        user_code("made_inside:workload", "standard")
    assert "made_inside" in sys.modules
