"""A saved model is the trained one, in a fresh process as here."""

from pathlib import Path

import pytest
import torch

from dropattack import UsageError
from trainables.data import text
from trainables.recipe.metrics import evaluate
from trainables.saved import load_model, recognised
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named


def test_a_saved_model_loads_as_a_plain_module_that_scores_the_same(tmp_path: Path) -> None:
    workload = workload_named("digits-lenet5")
    data = workload.load(tmp_path)
    settings = TrainingSettings(epochs=2, learning_rate=0.003)
    trial = Trial.make("digits-lenet5", "standard", {}, settings, 0, workload.checksum(tmp_path))
    training = Training(trial, data)
    while not training.finished:
        training.epoch()
    save_atomically(training.result(), tmp_path / "model.pt")
    saved = load_model(tmp_path / "model.pt")
    assert isinstance(saved.model, torch.nn.Module)
    assert not saved.model.training
    assert saved.trial == trial
    accuracy = evaluate(saved.model, data.test, data.classes)["accuracy"]
    assert accuracy == saved.test["test_accuracy"] == training.history[-1]["test_accuracy"]
    hits = sum(row[label] for label, row in enumerate(saved.confusion))
    assert hits / len(data.test) == pytest.approx(accuracy)
    right = recognised(tmp_path / "model.pt")
    assert right is not None
    assert right.double().mean().item() == pytest.approx(accuracy)
    assert torch.equal(right, saved.right)


def test_a_saved_text_model_brings_its_vocabulary(tmp_path: Path) -> None:
    """Also where it started from word vectors, which the file does not hold a second time."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "glove").mkdir()
    (tmp_path / "glove" / "tiny.txt").write_text("good 1 0 0\nbad 0 1 0\n")
    for name in ("train", "valid", "test"):
        rows = "".join(f"{name} {('bad', 'good')[i % 2]} {i},{i % 2}\n" for i in range(20))
        (tmp_path / "texts" / f"{name}.csv").write_text(f"text,label\n{rows}")
    workload, options = workload_named("texts-bigru"), {"vectors": "tiny.txt"}
    settings, checksum = TrainingSettings(epochs=1), workload.checksum(tmp_path, options)
    trial = Trial.make(
        workload.name, "standard", {}, settings, 0, checksum, data=options, model={"hidden": 5}
    )
    data = workload.load(tmp_path, options)
    training = Training(trial, data)
    training.epoch()
    save_atomically(training.result(), tmp_path / "model.pt")
    saved = load_model(tmp_path / "model.pt")
    assert saved.model.embedding.weight.shape == (data.extras["vocabulary_size"], 3)
    assert evaluate(saved.model, data.test, 2)["loss"] == training.history[-1]["test_loss"]
    words = text.words(saved.extras)
    assert len(words) == data.extras["vocabulary_size"]
    assert {"good", "bad"} < set(words)


def test_another_workload_of_the_same_shapes_is_refused(tmp_path: Path) -> None:
    """LeNet-5 of MNIST would take the parameters of digits."""
    trial = Trial.make("digits-lenet5", "standard", {}, TrainingSettings(epochs=1, train_size=64), 0, "x")
    training = Training(trial, workload_named("digits-lenet5").load(tmp_path))
    training.epoch()
    save_atomically(training.result(), tmp_path / "model.pt")
    assert load_model(tmp_path / "model.pt", workload_named("digits-lenet5")).trial == trial
    with pytest.raises(UsageError, match="trained by 'digits-lenet5', and not by 'mnist-lenet5'"):
        load_model(tmp_path / "model.pt", workload_named("mnist-lenet5"))


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model file"):
        load_model(tmp_path / "none.pt")
    path = tmp_path / "other.pt"
    parts = dict.fromkeys(("trial", "model", "metrics", "test", "confusion", "classes", "extras"))
    for state in ({"other": 1}, parts, parts | {"trial": {"workload": "digits-lenet5", "lr": 1}}):
        save_atomically(state, path)
        refused(path, "is not a model that a sweep saved")
    whole = path.read_bytes()
    for content in (b"", b"notes on a model\n", bytes(range(256)), b"\x80\x02}q\x00.", whole[:200]):
        path.write_bytes(content)
        refused(path, "is not a model that a sweep saved")


def test_a_model_of_another_size_is_refused(tmp_path: Path) -> None:
    workload = workload_named("digits-lenet5")
    trial = Trial.make(workload.name, "standard", {}, TrainingSettings(epochs=1), 0, "")
    training = Training(trial, workload.load(tmp_path))
    training.epoch()
    result = training.result()
    result["model"] = {name: value[:1] for name, value in result["model"].items()}
    save_atomically(result, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "does not hold the parameters that digits-lenet5 has now")


def refused(path: Path, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
