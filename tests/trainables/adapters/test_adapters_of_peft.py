"""Transformers of which only PEFT's adapters train, as targets under their own names."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dropattack import INPUT, UsageError
from search.console.begun import begin
from trainables import Texts, Tokenized, Workload, load_model, transformer, vision
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import TrainingSettings, register_workload


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("peft") / "begun"
    begin("transformer", made)
    return made


@pytest.fixture
def workload(folder: Path) -> Any:
    made = Workload(
        "lora-bert",
        dataset=Tokenized(Texts(folder / "reviews.csv"), folder / "small-bert", longest=16),
        model=transformer(),
        training=TrainingSettings(
            optimizer="adamw", weight_decay=0.5, epochs=2, batch_size=32, learning_rate=1e-2, train_size=64
        ),
    )
    yield register_workload(made)
    del REGISTERED["lora-bert"]


def training_of(workload: Workload, method: str = "standard", **hyperparameters: Any) -> Training:
    trial = Trial.make(
        workload.name, method, hyperparameters, workload.training, 0, "checksum", model={"lora": 4}
    )
    return Training(trial, workload.load(Path()))


def test_adapters_and_the_last_layer_are_all_that_trains_and_all_targets(workload: Workload) -> None:
    model = workload.model_settings({"lora": 4})
    built = model.build(workload.load(Path()))
    names = workload.target_names(model)
    trains = [name for name, parameter in built.named_parameters() if parameter.requires_grad]
    assert names == [INPUT, *trains]
    adapters = workload.canonical_targets("*.lora_A.*", model).split("+")
    assert len(adapters) == 4  # query and value of two layers
    for name in adapters:
        assert built.get_parameter(name).shape == (4, 32)
    assert {name for name in trains if "lora" not in name} == {
        f"model.base_model.model.classifier.modules_to_save.default.{kind}" for kind in ("weight", "bias")
    }
    with pytest.raises(UsageError, match=r"no target of lora-bert matches '\*.query.weight'"):
        workload.canonical_targets("*.query.weight", model)
    assert "lora" not in " ".join(workload.target_names())


@pytest.mark.parametrize(
    ("method", "hyperparameters"),
    [
        ("standard", {}),
        ("dropattack", {"targets": "*.lora_A.*", "p": 0.5, "epsilon": 0.1}),
        ("dropattack", {"targets": "input+last", "text_input": "tokens", "epsilon": 0.1}),
        ("sam", {}),
        ("awp", {}),
        ("rwp", {}),
        ("freelb", {}),
    ],
)
def test_what_is_frozen_stays_to_the_bit_and_what_trained_is_loaded(
    workload: Workload, tmp_path: Path, method: str, hyperparameters: dict[str, Any]
) -> None:
    training = training_of(workload, method, **hyperparameters)
    before = {name: value.clone() for name, value in training.model.named_parameters()}
    for _ in range(workload.training.epochs):
        training.epoch()
    for name, parameter in training.model.named_parameters():
        assert parameter.requires_grad is not torch.equal(parameter, before[name]), name
    result = training.result()
    held = [value.data_ptr() for value in result["model"].values() if isinstance(value, torch.Tensor)]
    assert len(held) == len(set(held)), "no parameter is saved twice"
    path = tmp_path / "model.pt"
    save_atomically(result, path)
    saved = load_model(path)
    found = workload.objective.measure(saved.model, training.test, training.data).metrics
    assert found["accuracy"] == pytest.approx(saved.test["test_accuracy"])
    assert any("lora_A" in name for name, _ in saved.model.named_parameters())


def test_the_frozen_matrix_of_words_is_no_target_but_the_vectors_of_a_batch_are(workload: Workload) -> None:
    """Of those, "tokens" in the test above and FreeLB; FGM changes the matrix."""
    with pytest.raises(UsageError, match="target 'input' is frozen"):
        training_of(workload, "fgm").epoch()


def test_other_adapters_go_by_a_function(folder: Path) -> None:
    def adapt(model: nn.Module) -> nn.Module:
        library: Any = vision.peft()
        found: nn.Module = library.get_peft_model(model, library.IA3Config(task_type="SEQ_CLS"))
        return found

    dataset = Tokenized(Texts(folder / "reviews.csv"), folder / "small-bert")
    made = Workload("ia3", dataset=dataset, model=transformer(adapt))
    assert (
        len(made.canonical_targets("*.ia3_l.*").split("+")) == 8
    )  # key, value and two outputs of two layers


def test_a_rank_below_none_is_refused(workload: Workload) -> None:
    with pytest.raises(UsageError, match="lora is a rank of at least 1"):
        _ = workload.model_settings({"lora": -1}).targets


def test_without_the_library_the_extra_is_named(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UsageError, match=r"peft is not installed; pip install 'dropattack\[peft\]'"):
        _ = workload.model_settings({"lora": 2}).targets
