"""A worker whose sweep lies at an address."""

from pathlib import Path

import pytest

from tests.trainables.test_trainable import EPOCHS, alone, config, one_thread, reported, same, trial
from trainables.disk import model_path
from trainables.remote.files import fetch, local_folder
from trainables.saved import load_model
from trainables.trainable import StackTrainable

__all__ = ["one_thread"]


def test_a_trial_goes_on_on_another_node_from_what_lies_at_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "memory://trainable/in//sweeps/small"
    (one,) = [trial(1.0)]
    there = {**config(tmp_path, [one]), "folder": name}

    def on_node(node: str) -> StackTrainable:
        monkeypatch.setenv("DROPATTACK_CACHE", str(tmp_path / node))
        worker = StackTrainable.__new__(StackTrainable)
        worker.setup(there)
        return worker

    first = reported(on_node("a"), 2)[one.key]
    kept = list((tmp_path / "a" / "stores").rglob("*.pt"))
    second = reported(on_node("b"), EPOCHS)[one.key]
    assert kept == [], "the address alone has the checkpoint"
    assert same(second, alone(one, tmp_path), 0.0)
    assert same(second[:2], first, 0.0), "what a checkpoint holds is reported again, and not trained again"
    on_node("c")
    model = fetch(model_path(local_folder(name), one.key))
    assert load_model(model).trial == one
