"""The transformers that ship: from drawn weights, and with the weights of a model that a sweep names."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dropattack import INPUT, UsageError
from search.console.begun import begin
from trainables import TransformerArchitecture, load_model, vision, workload_named
from trainables.data.dataset import Data
from trainables.data.splits import TextSplit
from trainables.recipe.settings import TrainingSettings
from trainables.target_sets import layer_of
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial

SHIPPED = ["imdb-transformer", "pheme-transformer", "agnews-transformer", "texts-transformer"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews in the places of `texts-transformer`, and a small pretrained model."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("bert")
    begin("transformer", root / "begun")
    header, *rows = (root / "begun" / "reviews.csv").read_text().splitlines()
    rows = [row.replace(",good", ",1").replace(",bad", ",0") for row in rows]
    (root / "texts").mkdir()
    for name, part in (("train", rows[:200]), ("valid", rows[200:300]), ("test", rows[300:])):
        (root / "texts" / f"{name}.csv").write_text("\n".join([header, *part]))
    return root


def data(longest: int = 9) -> Data:
    nothing = TextSplit(torch.empty(0, 1), torch.empty(0, dtype=torch.int64), torch.empty(0))
    extras = {"vocabulary_size": 50, "longest": longest, "pad": 1}
    return Data(nothing, nothing, nothing, 3, "checksum", extras=extras)


@pytest.mark.parametrize("layers", [1, 3])
def test_every_parameter_is_a_target_in_the_models_order_and_of_its_layer(layers: int) -> None:
    architecture = TransformerArchitecture(hidden=8, layers=layers)
    names = [name for name, _ in architecture.build(data()).named_parameters()]
    assert list(architecture.targets.values()) == names
    assert architecture.targets[INPUT] == names[0]
    found = list(dict.fromkeys(map(layer_of, names[4:])))  # after the embeddings
    tail = ["model.bert.pooler.dense", "model.classifier"]
    assert found[-layers - 2 :] == [*(f"model.bert.encoder.layer.{i}" for i in range(layers)), *tail]


def test_it_has_the_sizes_of_berts_paper_and_no_more(root: Path) -> None:
    """Parameters counted by hand: BERT-base has 110 million with its 30,522 words; these are small."""
    model = TransformerArchitecture(hidden=8, heads=2, layers=2).build(data())
    wide, inner = 8, 4 * 8
    layer = 4 * (wide * wide + wide) + 2 * 2 * wide + (wide * inner + inner) + (inner * wide + wide)
    embeddings = (50 + 9 + 2) * wide + 2 * wide
    assert sum(p.numel() for p in model.parameters()) == embeddings + 2 * layer + 72 + 3 * (wide + 1)


@pytest.mark.parametrize("name", SHIPPED)
def test_targets_are_known_without_data_and_without_the_library(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def missing() -> None:
        raise UsageError("transformers is not installed; pip install 'dropattack[transformers]'")

    monkeypatch.setattr(vision, "transformers", missing)
    workload = workload_named(name)
    assert workload.target_names()[0] == INPUT
    assert len(workload.canonical_targets("*.query.weight").split("+")) == 2
    with pytest.raises(UsageError, match=r"not installed; pip install 'dropattack\[transformers\]'"):
        workload.check_training(workload.training)


@pytest.mark.parametrize("method", ["standard", "dropattack"])
@pytest.mark.parametrize("pretrained", [False, True])
def test_it_trains_is_saved_and_loaded_where_the_model_is_no_longer(
    root: Path, tmp_path: Path, method: str, pretrained: bool
) -> None:
    workload = workload_named("texts-transformer")
    folder = tmp_path / "model"
    _copy(root, folder)
    options: dict[str, Any] = {"longest": 16, **({"pretrained": str(folder)} if pretrained else {})}
    sizes = {} if pretrained else {"hidden": 16}
    recipe = TrainingSettings(epochs=2, learning_rate=3e-3, batch_size=20)
    targets = {"targets": "input+*.layer.1.*query.weight"} if method == "dropattack" else {}
    checksum = workload.checksum(root, options)
    trial = Trial.make(workload.name, method, targets, recipe, 0, checksum, data=options, model=sizes)
    training = Training(trial, workload.load(root, options))
    for _ in range(2):
        training.epoch()
    assert training.history[-1]["train_loss"] < training.history[0]["train_loss"]
    path = tmp_path / "model.pt"
    save_atomically(training.result(), path)
    folder.rename(tmp_path / "elsewhere")
    saved = load_model(path)
    found = workload.objective.measure(saved.model, training.test, training.data).metrics
    assert found["accuracy"] == pytest.approx(saved.test["test_accuracy"])


def _copy(root: Path, folder: Path) -> None:
    folder.mkdir()
    for path in (root / "begun" / "small-bert").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


def test_a_pretrained_model_starts_from_its_weights(root: Path) -> None:
    library: Any = vision.transformers()
    folder = root / "begun" / "small-bert"
    known = library.AutoModelForSequenceClassification.from_pretrained(folder)
    workload = workload_named("texts-transformer")
    options = {"pretrained": str(folder)}
    model = workload.model_settings({}, options).build(workload.load(root, options))
    name = "bert.encoder.layer.1.attention.self.query.weight"
    assert torch.equal(model.get_parameter(f"model.{name}"), known.get_parameter(name))


@pytest.mark.parametrize(
    ("model", "named", "message"),
    [
        ({"hidden": 64}, True, "model.hidden is for a transformer that starts from drawn weights"),
        ({"layers": 1}, True, "model.layers is for"),
        ({"hidden": 9}, False, "hidden must be a multiple of heads, 2, not 9"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(
    root: Path, model: dict[str, Any], named: bool, message: str
) -> None:
    options = {"pretrained": str(root / "begun" / "small-bert")} if named else {}
    with pytest.raises(UsageError, match=message):
        workload_named("texts-transformer").model_settings(model, options)
