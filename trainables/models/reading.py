"""Recurrent layers over texts of different lengths: their padding takes no part."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def read(rnn: nn.LSTM | nn.GRU, texts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Reads every text to its own end.

    On a GPU the texts are packed, for which there are kernels of its own. On a CPU they are not: there the
    gradient of packed texts clears a buffer of the whole batch for every time step, so that its cost grows
    with the square of the length. A direction that reads backwards gets each text mirrored within its length.

    Args:
        rnn: Batch first, without dropout between its layers.
        texts: Vectors ``[batch, longest, width]``; what stands behind a text's end does not matter.
        lengths: Of each text, at least 1; ``[batch]``, on the CPU.

    Returns:
        The last layer's states ``[batch, longest, directions · hidden]``, of no meaning behind a text's end,
        and its final ones ``[batch, directions · hidden]``: behind the last word, and where it reads
        backwards behind the first.
    """
    return _packed(rnn, texts, lengths) if texts.is_cuda else _padded(rnn, texts, lengths)


def _packed(rnn: nn.LSTM | nn.GRU, texts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    in_order = bool((lengths[:-1] >= lengths[1:]).all())
    packed = pack_padded_sequence(texts, lengths, batch_first=True, enforce_sorted=in_order)
    outputs, state = rnn(packed)
    hidden = state[0] if isinstance(state, tuple) else state
    states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=texts.shape[1])
    return states, torch.cat(list(hidden[-_directions(rnn) :]), dim=1)


def _padded(rnn: nn.LSTM | nn.GRU, texts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    batch, longest, _ = texts.shape
    steps, starts = torch.arange(longest), longest * torch.arange(batch)
    mirrored = lengths[:, None] - 1 - steps
    rows = (starts[:, None] + torch.where(mirrored < 0, steps, mirrored)).flatten()
    states = texts
    for first in range(0, len(rnn.all_weights), _directions(rnn)):
        layer = rnn.all_weights[first : first + _directions(rnn)]
        directions = [_one_direction(rnn, layer[0], states)]
        if rnn.bidirectional:
            mirrored_states = _one_direction(rnn, layer[1], _rearranged(states, rows))
            directions.append(_rearranged(mirrored_states, rows))
        states = torch.cat(directions, dim=2) if rnn.bidirectional else directions[0]
    last = directions[0].flatten(0, 1).index_select(0, starts + lengths - 1)
    firsts = [backwards[:, 0] for backwards in directions[1:]]
    return states, torch.cat([last, *firsts], dim=1)


def _one_direction(rnn: nn.LSTM | nn.GRU, weights: Sequence[Tensor], texts: Tensor) -> Tensor:
    """The states ``[batch, longest, hidden]`` of one layer that reads forwards."""
    zeros = texts.new_zeros(1, len(texts), rnn.hidden_size)
    rest = (list(weights), True, 1, 0.0, rnn.training, False, True)
    if isinstance(rnn, nn.LSTM):
        return torch.lstm(texts, (zeros, zeros), *rest)[0]
    return torch.gru(texts, zeros, *rest)[0]


def _rearranged(texts: Tensor, rows: Tensor) -> Tensor:
    return texts.flatten(0, 1).index_select(0, rows).view_as(texts)


def _directions(rnn: nn.LSTM | nn.GRU) -> int:
    return 2 if rnn.bidirectional else 1
