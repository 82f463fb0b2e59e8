"""Reading texts of different lengths, against torch's own packed sequences."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trainables.models.reading import read

LENGTHS = torch.tensor([4, 7, 1, 7])
INSIDE = torch.arange(7) < LENGTHS[:, None]


def packed(rnn: nn.LSTM | nn.GRU, texts: Tensor) -> tuple[Tensor, Tensor]:
    outputs, state = rnn(pack_padded_sequence(texts, LENGTHS, batch_first=True, enforce_sorted=False))
    hidden = state[0] if isinstance(state, tuple) else state
    last = hidden[-2:] if rnn.bidirectional else hidden[-1:]
    return pad_packed_sequence(outputs, batch_first=True)[0], torch.cat(list(last), dim=1)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_and_gradients_are_those_of_packed_texts(
    kind: type[nn.LSTM] | type[nn.GRU], layers: int, bidirectional: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    rnn = kind(3, 5, num_layers=layers, bidirectional=bidirectional, batch_first=True, dtype=dtype)
    texts = torch.randn(4, 7, 3, dtype=dtype)
    leaves = [texts.requires_grad_(), *rnn.parameters()]
    found = []
    for way in (lambda: read(rnn, texts, LENGTHS), lambda: packed(rnn, texts)):
        states, final = way()
        loss = (states * INSIDE[..., None]).square().sum() + final.sin().sum()
        found.append([states * INSIDE[..., None], final, *torch.autograd.grad(loss, leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_what_stands_behind_an_end_changes_nothing() -> None:
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 5, bidirectional=True, batch_first=True)
    texts = torch.randn(4, 7, 3)
    states, final = read(rnn, texts, LENGTHS)
    other_states, other_final = read(rnn, texts.masked_fill(~INSIDE[..., None], 99.0), LENGTHS)
    assert torch.equal(final, other_final)
    assert torch.equal(states[INSIDE], other_states[INSIDE])
