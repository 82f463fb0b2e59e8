"""Workloads: named in a sweep, by module and function, or by an installed package."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dropattack import UsageError
from dropattack.robustness import parse_grid
from tests.docs.pages import examples
from trainables import workloads as module
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named, workloads

WRONG = """

def wrong():
    return "not a workload"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with the workload that the documentation shows."""
    _, example = examples("docs/reference/workloads.md", "python")
    (tmp_path / "own_workloads.py").write_text(example + WRONG, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "own_workloads"


def test_a_users_own_workload_trains_under_module_and_function(own: str) -> None:
    name = f"{own}:perceptron"
    trial = Trial.make(
        name,
        "dropattack",
        {"targets": "fc1.w"},
        TrainingSettings(epochs=1),
        0,
        "checksum",
        model={"hidden": 16},
    )
    assert trial.workload == name
    training = Training(trial, workload_named(name).load(Path("unused")))
    assert training.model[1].weight.shape == (16, 784)
    before = training.model[1].weight.clone()
    assert training.epoch()["test_accuracy"] > 0
    assert not before.equal(training.model[1].weight)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:workload", "there is no module 'nowhere'; put its folder on PYTHONPATH"),
        ("own_workloads:missing", "has no 'missing'"),
        ("own_workloads:wrong", "must return a Workload, not str"),
        ("digits-lenet", "did you mean 'digits-lenet5'"),
    ],
)
def test_a_workload_that_is_not_there_is_refused(own: str, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        workload_named(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def make(:", r"importing broken ends in SyntaxError: invalid syntax \(broken.py, line 1\)"),
        ("\n1 / 0", r"importing broken ends in ZeroDivisionError: division by zero \(broken.py:2\)"),
        ("def make():\n    return [][0]", r"make\(\) ends in IndexError: .* \(broken.py:2 in make\)"),
        (
            "import json\ndef make():\n    json.loads('')",
            r"make\(\) ends in JSONDecodeError: .* \(broken.py:3 in make\)",
        ),
    ],
)
def test_an_error_in_ones_own_code_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken.py").write_text(text, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    with pytest.raises(UsageError, match=rf"^workload 'broken:make': {message}$"):
        workload_named("broken:make")
    sys.modules.pop("broken", None)


def test_an_installed_package_may_offer_workloads(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("perceptron", f"{own}:perceptron", module.ENTRY_POINTS)
    monkeypatch.setattr(module, "entry_points", lambda group: [entry] if group == entry.group else [])
    monkeypatch.setattr(module, "_WORKLOADS", {})
    module._discover.cache_clear()
    assert list(workloads()) == ["perceptron"]
    module._discover.cache_clear()
    monkeypatch.undo()
    module._discover.cache_clear()


PAPER = {
    "Input": "input",
    "Conv.1.w": "conv1.w",
    "Conv.1.b": "conv1.b",
    "Conv1.w": "conv1.w",
    "Fc.1": "fc1.w",
    "fc1.w2": "fc1.w",
}


@pytest.mark.parametrize("written", PAPER)
def test_the_papers_spellings_of_lenet_targets(written: str) -> None:
    assert workload_named("mnist-lenet5").canonical_targets(written) == PAPER[written]


def test_one_target_in_two_spellings_is_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        workload_named("mnist-lenet5").canonical_targets("conv1.w+Conv.1.w")


@pytest.mark.parametrize("method", ["fgsm", "pgd", "freeat", "dropen"])
def test_pixels_are_not_kept_in_a_range_where_there_are_words(method: str) -> None:
    workload_named("mnist-lenet5").method_settings(method, {"clamp": True})
    workload_named("imdb-lstm").method_settings(method, {"clamp": False})
    with pytest.raises(UsageError, match="imdb-lstm has texts"):
        workload_named("imdb-lstm").method_settings(method, {"clamp": True})


def test_data_that_cannot_be_loaded_are_said_to_be_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise ValueError("could not convert\nstring to float")

    workload = workload_named("digits-lenet5")
    monkeypatch.setattr(type(workload.dataset), "load", load)
    with pytest.raises(UsageError, match="the data of digits-lenet5 cannot be loaded: ValueError") as caught:
        workload.load(Path("unused"))
    assert "\n" not in str(caught.value)


def test_attacks_are_refused_where_nothing_is_classified() -> None:
    workload = workload_named("diabetes-mlp")
    workload.check_cases([])
    with pytest.raises(UsageError, match="diabetes-mlp does not classify"):
        workload.check_cases(parse_grid("fgsm:0.1"))


def test_the_shortest_workload_of_the_documentation_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example, _ = examples("docs/reference/workloads.md", "python")
    (tmp_path / "churn.py").write_text(example, encoding="utf-8")
    rows = [f"{i % 17},{'abc'[i % 3]},{'yes' if i % 17 > 8 else 'no'}" for i in range(100)]
    (tmp_path / "customers.csv").write_text("\n".join(["visits,town,churned", *rows]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    workload = workload_named("churn:workload")
    settings = TrainingSettings(**{**workload.training.to_dict(), "epochs": 3, "best_by": "auroc"})
    trial = Trial.make(
        workload.name, "dropattack", {"targets": "first"}, settings, 0, "x", model={"width": 8}
    )
    assert trial.hyperparameters["targets"] == "0.bias+0.weight"
    training = Training(trial, workload.load(tmp_path))
    assert [training.epoch()["valid_auroc"] for _ in range(3)][-1] > 0.7
