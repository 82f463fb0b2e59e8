"""What is different about a model in a pass: which of PyTorch's flags change, and what autocast reaches."""

import copy
import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import dropattack
from dropattack import Task
from dropattack.modes import mixed_precision, twice_differentiable
from dropattack.robustness import attacking
from tests.dropattack.toys import standing

SWITCHES = ("allow_tf32", "benchmark", "deterministic")
RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)


def flags() -> dict[str, object]:
    """Every flag of PyTorch's backends that changes what a GPU computes, but for cuDNN's being used."""
    backends = torch.backends
    found: dict[str, object] = {f"cudnn.{name}": getattr(backends.cudnn, name) for name in SWITCHES}
    matmul = (
        "allow_tf32",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    )
    found |= {f"matmul.{name}": getattr(backends.cuda.matmul, name) for name in matmul}
    found["benchmark_limit"] = backends.cudnn.benchmark_limit
    found["deterministic_algorithms"] = torch.are_deterministic_algorithms_enabled()
    return found


@pytest.fixture
def restored() -> Iterator[None]:
    cudnn = torch.backends.cudnn
    before = {name: getattr(cudnn, name) for name in (*SWITCHES, "enabled")}
    yield
    for name, value in before.items():
        setattr(cudnn, name, value)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("values", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("kind", [nn.Linear, *RECURRENT])
def test_cudnn_is_left_out_for_recurrent_layers_and_no_other_flag_changes(
    values: tuple[bool, ...], kind: type[nn.Module]
) -> None:
    cudnn = torch.backends.cudnn
    for name, value in zip(SWITCHES, values, strict=True):
        setattr(cudnn, name, value)
    model = nn.Sequential(nn.Linear(2, 2), nn.ModuleDict({"inner": kind(2, 2)}))
    before = flags()

    def fail_inside(enabled: bool) -> None:
        with twice_differentiable(model):
            assert cudnn.enabled is (enabled and kind is nn.Linear)
            assert flags() == before
            raise ZeroDivisionError

    for enabled in (True, False):
        cudnn.enabled = enabled
        with pytest.raises(ZeroDivisionError):
            fail_inside(enabled)
        assert cudnn.enabled is enabled
        assert flags() == before


class Mine(nn.LSTM):
    """A user's layer, whose training mode may mean anything."""


class Plain(nn.LSTM):
    """A user's layer that says that its training mode means nothing."""

    same_in_training = True


LAYERS = {
    "lstm": (lambda: nn.LSTM(2, 2, num_layers=2), True),
    "gru": (lambda: nn.GRU(2, 2, bidirectional=True), True),
    "dropout": (lambda: nn.LSTM(2, 2, num_layers=2, dropout=0.5), False),
    "mine": (lambda: Mine(2, 2), False),
    "plain": (lambda: Plain(2, 2), True),
    "plain dropout": (lambda: Plain(2, 2, num_layers=2, dropout=0.5), False),
}


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_an_attack_keeps_cudnn_where_a_recurrent_layers_mode_means_nothing_else(
    name: str, training: bool
) -> None:
    """cuDNN computes gradients in training mode alone; the layer's outputs must stay those of eval mode."""
    cudnn = torch.backends.cudnn
    make, keeps = LAYERS[name]
    model = nn.Sequential(nn.Dropout(0.5), make()).train(training)
    modes = [module.training for module in model.modules()]
    before, inputs = flags(), torch.randn(3, 4, 2)
    expected = copy.deepcopy(model).eval()(inputs)[0]

    def fail_inside() -> None:
        with attacking(model):
            assert cudnn.enabled is keeps
            assert model[1].training is keeps
            assert not model[0].training
            assert flags() == before
            assert torch.equal(model(inputs)[0], expected)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert cudnn.enabled
    assert [module.training for module in model.modules()] == modes


Seen = list[tuple[bool, torch.dtype, torch.dtype]]


def recording(kind: type[nn.RNNBase], seen: Seen) -> type[nn.RNNBase]:
    """A recurrent layer that notes whether autocast reaches it, and the types of its input and its state."""

    class Recording(kind):  # type: ignore[valid-type, misc]  # which of the three the test decides
        def forward(self, inputs, state=None):
            data = inputs.data if not isinstance(inputs, torch.Tensor) else inputs
            outer = state[0] if isinstance(state, tuple) else state
            seen.append((torch.is_autocast_enabled("cpu"), data.dtype, outer.dtype))
            return super().forward(inputs, state)

    return Recording


class Reads(nn.Module):
    """A linear layer, a recurrent one with a given state, over packed texts or not, and a linear one."""

    def __init__(self, kind: type[nn.RNNBase], packs: bool) -> None:
        super().__init__()
        self.first, self.rnn, self.fc = nn.Linear(4, 4), kind(4, 3, batch_first=True), nn.Linear(3, 2)
        self.packs = packs
        self.types: list[torch.dtype] = []

    def forward(self, texts):
        vectors = self.first(texts)
        state = vectors.new_zeros(1, len(texts), 3)
        state = (state, state) if isinstance(self.rnn, nn.LSTM) else state
        if self.packs:
            vectors = pack_padded_sequence(vectors, torch.full((len(texts),), 5), batch_first=True)
        outputs, _ = self.rnn(vectors, state)
        if self.packs:
            outputs, _ = pad_packed_sequence(outputs, batch_first=True)
        logits = self.fc(outputs[:, -1])
        self.types += [state[0].dtype if isinstance(state, tuple) else state.dtype, logits.dtype]
        return logits


@pytest.mark.parametrize("packs", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_recurrent_layers_are_left_out_of_the_mixed_precision_of_every_method(
    name: str, kind: type[nn.RNNBase], packs: bool
) -> None:
    torch.manual_seed(0)
    seen: Seen = []
    model = Reads(recording(kind, seen), packs)
    method = dropattack.method_named(name)
    settings = method.settings_type.from_dict({"targets": "input"} if name == "dropattack" else {})
    task = Task(generator=torch.Generator().manual_seed(0), autocast=torch.bfloat16)
    batch = torch.randn(6, 5, 4), torch.arange(6) % 2
    method(settings, task).step(model, batch, standing(model))
    assert set(seen) == {(False, torch.float32, torch.float32)}
    assert set(model.types) == {torch.bfloat16}, "all else is in mixed precision"
    assert "forward" not in vars(model.rnn)


def test_a_forward_pass_of_the_layers_own_comes_back_after_an_error() -> None:
    layer = nn.GRU(2, 2)
    own = layer.forward = layer.forward

    def fail_inside() -> None:
        with mixed_precision(layer, torch.device("cpu"), torch.bfloat16):
            assert layer.forward is not own
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert vars(layer)["forward"] is own
    with mixed_precision(layer, torch.device("cpu"), None):
        assert vars(layer)["forward"] is own


def test_layers_in_double_precision_compute_in_it() -> None:
    layer, texts = nn.LSTM(2, 3).double(), torch.randn(4, 1, 2, dtype=torch.float64)
    with mixed_precision(layer, torch.device("cpu"), torch.bfloat16):
        outputs, _ = layer(texts)
    torch.testing.assert_close(outputs, layer(texts)[0], rtol=0, atol=0)
