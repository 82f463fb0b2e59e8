"""Recurrent layers over texts of different lengths, which ignore padding."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from typing_extensions import override


class _Reader(nn.RNNBase):
    """Reads every text to its own end.

    On a GPU it packs the texts, for which there are special kernels. On a CPU it does not: there the gradient
    of packed texts clears a buffer of the whole batch for every time step, so that its cost grows with the
    square of the length. A direction that reads backwards receives each text mirrored within its length.
    """

    @override
    def forward(self, texts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Reads a batch.

        Args:
            texts: Vectors ``[batch, longest, width]``; those behind a text's end have no effect.
            lengths: Of each text, at least 1; ``[batch]``, on the CPU.

        Returns:
            The last layer's states ``[batch, longest, directions · hidden]``, without meaning behind a text's
            end; and its final states ``[batch, directions · hidden]``: after the last word, and of the
            backward direction after the first.
        """
        return self._padded(texts, lengths) if texts.is_cpu else self._packed(texts, lengths)

    def _packed(self, texts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        in_order = bool((lengths[:-1] >= lengths[1:]).all())
        packed = pack_padded_sequence(texts, lengths, batch_first=True, enforce_sorted=in_order)
        outputs, state = super().forward(packed)
        hidden = state[0] if isinstance(state, tuple) else state
        states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=texts.shape[1])
        return states, torch.cat(list(hidden[-self._directions :]), dim=1)

    def _padded(self, texts: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        batch, longest, _ = texts.shape
        steps, starts = torch.arange(longest), longest * torch.arange(batch)
        mirrored = lengths[:, None] - 1 - steps
        rows = (starts[:, None] + torch.where(mirrored < 0, steps, mirrored)).flatten()
        states = texts
        for first in range(0, len(self.all_weights), self._directions):
            layer = self.all_weights[first : first + self._directions]
            directions = [self._one_direction(layer[0], states)]
            if self.bidirectional:
                backwards = self._one_direction(layer[1], _rearranged(states, rows))
                directions.append(_rearranged(backwards, rows))
            states = torch.cat(directions, dim=2) if self.bidirectional else directions[0]
        last = directions[0].flatten(0, 1).index_select(0, starts + lengths - 1)
        firsts = [backwards[:, 0] for backwards in directions[1:]]
        return states, torch.cat([last, *firsts], dim=1)

    def _one_direction(self, weights: Sequence[Tensor], texts: Tensor) -> Tensor:
        """The states ``[batch, longest, hidden]`` of one layer that reads forwards."""
        zeros = texts.new_zeros(1, len(texts), self.hidden_size)
        rest = (list(weights), True, 1, 0.0, self.training, False, True)
        if self.mode == "LSTM":
            return torch.lstm(texts, (zeros, zeros), *rest)[0]
        return torch.gru(texts, zeros, *rest)[0]

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1


# Both take other arguments than torch's layers, and no code calls them as such.
class ReadingLSTM(_Reader, nn.LSTM):  # type: ignore[misc]
    """An `nn.LSTM` called with texts and their lengths; batch first, without dropout between its layers."""

    same_in_training = True


class ReadingGRU(_Reader, nn.GRU):  # type: ignore[misc]
    """An `nn.GRU` called with texts and their lengths; batch first, without dropout between its layers."""

    same_in_training = True


def _rearranged(texts: Tensor, rows: Tensor) -> Tensor:
    return texts.flatten(0, 1).index_select(0, rows).view_as(texts)
