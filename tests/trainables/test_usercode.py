"""A model loaded into other code than trained it says so, and names the file; comments do not count."""

import importlib
import itertools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dropattack import registry
from trainables import ChangedCodeWarning, TrainingSettings, Workload, load_model, workload_named
from trainables.saved import SavedModel
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial

FILES = {
    "workload": """
import torch
from torch import nn

from NAME_helper import scale
from trainables import Classification, Tensors, Workload


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return scale() * self.head(x)


def net(data):
    return Net()


def workload():
    x = torch.arange(120.0).reshape(40, 3) / 120
    return Workload(dataset=Tensors(x, (x[:, 0] > 0.5).long()), model=net, objective=Classification())
""",
    "helper": "def scale():\n    return 1.0\n",
    "method": """
import dropattack
from dropattack import StepResult


class Plain(dropattack.Method):
    name = "NAME-plain"
    summary = "Plain."
    source = "Here."

    def gather(self, model, batch):
        return StepResult(*self.forward_backward(model, *batch))
""",
}
NUMBERS = itertools.count()
EDITS = {
    "the workload": ("workload", "scale() * self", "5 + scale() * self"),
    "a helper": ("helper", "1.0", "1500.0"),
    "the method": ("method", "*batch))", "*batch), {})"),
}


class Own:
    """A user's files under names that no other test has, and a model that they trained."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"saved{next(NUMBERS)}"
        for part, text in FILES.items():
            self.write(part, text)
        workload = workload_named(f"{self.name}_workload:workload")
        settings, method = TrainingSettings(epochs=1), f"{self.name}_method:Plain"
        trial = Trial.make(workload.name, method, {}, settings, 0, workload.checksum(folder))
        training = Training(trial, workload.load(folder))
        training.epoch()
        self.model = folder / "model.pt"
        save_atomically(training.result(), self.model)

    def write(self, part: str, text: str) -> None:
        self.path(part).write_text(text.replace("NAME", self.name))

    def path(self, part: str) -> Path:
        return self.folder / f"{self.name}_{part}.py"

    def load(self, module: str = "workload") -> tuple[SavedModel, list[str]]:
        """The model, and what is warned of."""
        made: Callable[[], Workload] = importlib.import_module(f"{self.name}_{module}").workload
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            saved = load_model(self.model, made())
        return saved, [str(each.message) for each in caught if each.category is ChangedCodeWarning]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    return Own(tmp_path)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_a_warning_that_names_the_file(own: Own, edit: str) -> None:
    part, old, new = EDITS[edit]
    assert own.load()[1] == []
    own.write(part, FILES[part].replace(old, new))
    saved, said = own.load()
    told = "differs from the code that trained and measured the model; what it predicts now may differ too"
    assert said == [saved.changed] == [f"{own.name}_{part}.py {told}"]
    assert saved.model(torch.zeros(1, 3)).shape == (1, 2), "it is loaded all the same"


def test_several_files_are_named_together_and_the_old_code_is_silent(own: Own) -> None:
    for part, old, new in EDITS.values():
        own.write(part, FILES[part].replace(old, new))
    saved, said = own.load()
    names = " and ".join(f"{own.name}_{part}.py" for part in ("helper", "method", "workload"))
    assert said == [saved.changed]
    assert saved.changed.startswith(f"{names} differ from")
    for part, text in FILES.items():
        own.write(part, f"# As it was.\n{text}")
    assert own.load()[1] == []


def test_missing_code_is_no_change(own: Own) -> None:
    """A model is also used where its method was never installed."""
    own.path("method").unlink()
    sys.modules.pop(f"{own.name}_method")
    assert own.load()[1] == []


def test_a_workload_of_a_moved_file_is_known_by_its_source(own: Own) -> None:
    """Under another name it is the same code until it is edited."""
    own.path("workload").rename(own.path("moved"))
    sys.modules.pop(f"{own.name}_workload")
    assert own.load("moved")[1] == []
    own.write("moved", FILES["workload"].replace("scale() * self", "5 + scale() * self"))
    assert [line.split()[0] for line in own.load("moved")[1]] == [f"{own.name}_moved.py"]


def test_a_model_without_noted_code_says_nothing(own: Own) -> None:
    """Early versions noted none, so nobody knows."""
    state = torch.load(own.model, weights_only=True)
    state["trial"]["code"] = {}
    save_atomically(state, own.model)
    own.write("helper", FILES["helper"].replace("1.0", "1500.0"))
    assert own.load()[1] == []
