"""Methods by name, of a user's module and of an installed package."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from dropattack import UsageError, method_named, registered, registry
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

MINE = """
from dataclasses import dataclass

from dropattack import Method, Settings, StepResult, setting


@dataclass(frozen=True, kw_only=True)
class HalvedSettings(Settings):
    share: float = setting(0.5, "Factor of the loss.", low=0, high=1)


class Halved(Method[HalvedSettings]):
    name = "halved"
    summary = "A part of the loss."
    source = "A test."
    settings_type = HalvedSettings

    def gather(self, model, batch):
        return StepResult(*self.forward_backward(model, *batch, self.settings.share))


class Other(Halved):


    def gather(self, model, batch):
        return StepResult(*self.forward_backward(model, *batch))


class Nameless(Method[HalvedSettings]):
    settings_type = HalvedSettings


def function():
    return Halved


broken = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of a user's, forgotten afterwards."""
    path = tmp_path / "halved_method.py"
    path.write_text(MINE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    registry._imported.cache_clear()


def trial(method: str, hyperparameters: dict[str, Any]) -> Trial:
    settings = TrainingSettings(epochs=1, train_size=60)
    return Trial.make("digits-lenet5", method, hyperparameters, settings, 0, "checksum")


@pytest.mark.usefixtures("mine")
def test_a_class_of_a_users_module_trains_under_module_and_class() -> None:
    asked = trial("halved_method:Halved", {"share": 0.25})
    assert asked.method == "halved_method:Halved"
    assert list(asked.code) == ["halved_method"], "its code is part of the key"
    training = Training(asked, workload_named("digits-lenet5").load(Path()))
    assert training.method.settings.to_dict() == {"share": 0.25}
    assert training.epoch()["train_loss"] > 0
    assert trial("halved_method:Other", {}).key != trial("halved_method:Halved", {}).key
    assert "halved" not in registered(), "a name of the user's own is taken by nobody"
    with pytest.raises(UsageError, match="share must be 0 to 1"):
        trial("halved_method:Halved", {"share": 2})


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere_at_all:Halved", "there is no module 'nowhere_at_all'; put its folder on PYTHONPATH"),
        ("halved_method:Halve", "module 'halved_method' has no 'Halve'"),
        ("halved_method:function", "must name a subclass of dropattack.Method, not function"),
        ("halved_method:broken", "must name a subclass of dropattack.Method, not int"),
        ("halved_method:Nameless", "needs a name"),
        (":Halved", "must read module:Class"),
        ("halved_method:", "must read module:Class"),
        ("halved", "unknown method 'halved'"),
    ],
)
def test_what_is_no_method_is_refused_in_a_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        method_named(name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import torch\ntorch.nowhere\n",
            r"importing broken_method ends in AttributeError: .*broken_method\.py:2",
        ),
        ("1 / 0\n", r"importing broken_method ends in ZeroDivisionError: .* \(broken_method\.py:1\)"),
        ("def f(:\n", "importing broken_method ends in SyntaxError"),
        ("import no_such_library\n", "there is no module 'no_such_library'"),
    ],
)
def test_a_fault_of_a_methods_module_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (tmp_path / "broken_method.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_method", raising=False)
    with pytest.raises(UsageError, match=message) as refused:
        method_named("broken_method:Mine")
    assert "\n" not in str(refused.value)


def test_a_file_in_place_of_a_module_is_said_to_be_one() -> None:
    with pytest.raises(UsageError, match=r"write it without \.py: mine:Mine"):
        method_named("mine.py:Mine")


@pytest.mark.usefixtures("mine")
def test_an_installed_package_offers_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint("halved", "halved_method:Halved", registry.ENTRY_POINTS)]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    registry._discover.cache_clear()
    try:
        assert method_named("halved").summary == "A part of the loss."
        assert "halved" in registered()
        entries[:] = [EntryPoint("wrong", "halved_method:broken", registry.ENTRY_POINTS)]
        registry._discover.cache_clear()
        with pytest.raises(
            UsageError, match=r"entry point 'wrong' of dropattack\.methods must name a subclass"
        ):
            registered()
    finally:
        registry._discover.cache_clear()
