"""Reading texts of different lengths, against torch's own packed sequences."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trainables.models.reading import ReadingGRU, ReadingLSTM

LENGTHS = torch.tensor([4, 7, 1, 7])
INSIDE = torch.arange(7) < LENGTHS[:, None]


def packed(rnn: nn.LSTM | nn.GRU, texts: Tensor) -> tuple[Tensor, Tensor]:
    outputs, state = rnn(pack_padded_sequence(texts, LENGTHS, batch_first=True, enforce_sorted=False))
    hidden = state[0] if isinstance(state, tuple) else state
    last = hidden[-2:] if rnn.bidirectional else hidden[-1:]
    return pad_packed_sequence(outputs, batch_first=True)[0], torch.cat(list(last), dim=1)


@pytest.mark.parametrize("kind", [(ReadingLSTM, nn.LSTM), (ReadingGRU, nn.GRU)])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_and_gradients_are_those_of_packed_texts(
    kind: tuple[type[nn.RNNBase], type[nn.LSTM | nn.GRU]],
    layers: int,
    bidirectional: bool,
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(0)
    reading, plain = (
        one(3, 5, num_layers=layers, bidirectional=bidirectional, batch_first=True, dtype=dtype)
        for one in kind
    )
    plain.load_state_dict(reading.state_dict())
    texts = torch.randn(4, 7, 3, dtype=dtype)
    texts.requires_grad_()
    found = []
    for rnn, way in ((reading, lambda: reading(texts, LENGTHS)), (plain, lambda: packed(plain, texts))):
        states, final = way()
        loss = (states * INSIDE[..., None]).square().sum() + final.sin().sum()
        found.append(
            [states * INSIDE[..., None], final, *torch.autograd.grad(loss, [texts, *rnn.parameters()])]
        )
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_what_stands_behind_an_end_changes_nothing() -> None:
    torch.manual_seed(0)
    rnn = ReadingLSTM(3, 5, bidirectional=True, batch_first=True)
    texts = torch.randn(4, 7, 3)
    states, final = rnn(texts, LENGTHS)
    other_states, other_final = rnn(texts.masked_fill(~INSIDE[..., None], 99.0), LENGTHS)
    assert torch.equal(final, other_final)
    assert torch.equal(states[INSIDE], other_states[INSIDE])
