"""Models in MLflow's form give what `load_model` gives, and nobody's code or pickle is run to load them."""

import zipfile
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from search.records.store import Store
from search.tracking.models import Card, _export, write_model
from search.tracking.served import ServedModel
from tests.search import trained
from trainables import ChangedCodeWarning
from trainables.saved import load_model
from trainables.workloads import workload_named

CARD = Card("a model", {"epsilon": "5.0"}, ("It helps.",))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a trained model."""
    store = Store(tmp_path_factory.mktemp("saved"))
    definition = trained.sweep(seeds=[0], stages=[{"name": "plain", "methods": {"standard": {}}}])
    (record,) = trained.run(definition, store).records
    return store.model(definition.name, record)


@pytest.mark.parametrize("graph", [False, True])
def test_a_model_gives_what_load_model_gives(tmp_path: Path, saved: Path, graph: bool) -> None:
    """For batches of one, of two as in the example, and of more."""
    workload = workload_named("digits-lenet5")
    test = workload.load(trained.UNUSED).test
    inputs, _ = next(iter(test.batches(7)))
    write_model(tmp_path / "model", saved, workload, inputs, CARD, graph)
    found = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    for size in (1, 2, 7):
        with torch.no_grad():
            expected = load_model(saved).model(inputs[:size]).numpy()
        np.testing.assert_allclose(found.predict(inputs[:size].numpy()), expected, rtol=1e-5, atol=1e-6)
    assert found.metadata.signature.inputs.input_types() == [np.dtype("float32")]
    assert found.metadata.metadata["epsilon"] == "5.0"
    np.testing.assert_array_equal(found.metadata.load_input_example(str(tmp_path / "model")), inputs[:2])
    assert "It helps." in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    graphs = list(tmp_path.rglob("*.pt2"))
    assert bool(graphs) == graph
    for file in graphs:
        with zipfile.ZipFile(file) as archive:
            assert not [name for name in archive.namelist() if name.endswith(".pkl")]


def test_a_model_of_changed_code_says_so_wherever_it_is_loaded(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graph holds the code that made it, so that the one who loads it has nothing to compare."""
    (tmp_path / "models_own.py").write_text("SCALE = 1500\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    state = torch.load(saved, weights_only=True)
    state["trial"]["code"] = {"models_own": "0123456789abcdef"}
    torch.save(state, tmp_path / "old.pt")
    workload = workload_named("digits-lenet5")
    inputs, _ = next(iter(workload.load(trained.UNUSED).test.batches(2)))
    for graph in (True, False):
        place = tmp_path / f"model-{graph}"
        with pytest.warns(ChangedCodeWarning, match="models_own.py differs from"):
            text = write_model(place, tmp_path / "old.pt", workload, inputs, CARD, graph)
        assert "models_own.py differs from" in text == (place / "README.md").read_text(encoding="utf-8")
        with pytest.warns(ChangedCodeWarning, match="models_own.py differs from"):
            mlflow.pyfunc.load_model(str(place))


class _Packed(nn.Module):
    """An LSTM over packed texts, whose steps depend on their lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, texts: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(texts, lengths, batch_first=True, enforce_sorted=False)
        _, (final, _) = self.lstm(packed)
        return torch.as_tensor(final[0])


def test_a_model_without_a_graph_leaves_no_file(tmp_path: Path) -> None:
    texts, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    assert not _export(_Packed(), (texts, lengths), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_several_inputs_go_to_the_model_in_their_order() -> None:
    module = _Packed().eval()
    texts, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    found = ServedModel(module).predict({"input_0": texts.numpy(), "input_1": lengths.numpy()})
    with torch.no_grad():
        np.testing.assert_array_equal(found, module(texts, lengths).numpy())
