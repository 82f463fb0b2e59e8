"""The rows that each lane's batch looks up in its own embedding matrix."""

import torch
from torch import Tensor


class Lookups:
    """Distinct token ids of each lane's batch, and where each token stands among them.

    A pass with these rows as its matrix, and positions as token ids, computes the same as with the whole
    matrix, and its gradient has the size of the rows. Lanes have different numbers of distinct tokens, so
    rows are padded with zeros, to which no position points. Finding them makes the host wait for the device
    twice: for the rows, and for their number.

    Tokens that only pad are looked up but not attacked; their rows come after those of the words.

    Args:
        tokens: ``[lanes, batch, length]``, integers.
        lengths: ``[lanes, batch]``, on any device. Tokens after the longest text of a lane were added to
            match the other lanes, and are not looked up. ``None`` if none were added.
        words: ``[lanes, batch, length]``, which tokens are words; ``None`` where all are.

    Attributes:
        counts: Number of distinct words of each lane.
        positions: ``[lanes, batch, length]``: each token's position among its lane's rows.
    """

    def __init__(self, tokens: Tensor, lengths: Tensor | None = None, words: Tensor | None = None) -> None:
        lanes = torch.arange(len(tokens), device=tokens.device)
        if lengths is not None:
            longest = lengths.amax(1).to(tokens.device, non_blocking=True)
            added = torch.arange(tokens.shape[2], device=tokens.device) >= longest[:, None]
            tokens = torch.where(added[:, None], tokens[:, :1, :1], tokens)
        beyond = tokens.max() + 1
        distinct, inverse = torch.unique(tokens + lanes[:, None, None] * beyond, return_inverse=True)
        found = torch.ones_like(distinct)
        if words is not None:
            met = torch.zeros_like(distinct).scatter_add_(0, inverse.flatten(), words.flatten().long())
            order = (2 * (distinct // beyond) + (met == 0)).argsort(stable=True)
            distinct, found, inverse = distinct[order], met[order].clamp(max=1), order.argsort()[inverse]
        self._lane, self._row = distinct // beyond, distinct % beyond
        # `torch.bincount` would make the host wait for the size of the largest lane.
        rows = distinct.new_zeros(len(tokens)).index_add_(0, self._lane, torch.ones_like(distinct))
        starts = rows.cumsum(0) - rows
        self._position = torch.arange(len(distinct), device=tokens.device) - starts[self._lane]
        self.positions = self._position[inverse]
        self._counts = torch.zeros_like(rows).index_add_(0, self._lane, found)
        counts, most = torch.stack([self._counts, rows]).tolist()
        self.counts: list[int] = counts
        self._most = max(most)

    def rows(self, matrices: Tensor) -> Tensor:
        """``[lanes, most, width]`` of ``[lanes, vocabulary, width]``, zeros behind a lane's own rows."""
        rows = matrices.new_zeros(len(matrices), self._most, matrices.shape[2])
        rows[self._lane, self._position] = matrices[self._lane, self._row]
        return rows

    def kept(self, rows: Tensor) -> Tensor:
        """The rows ``[lanes, most, width]`` with zeros for tokens that only pad."""
        behind = torch.arange(self._most, device=rows.device) >= self._counts[:, None]
        return rows.masked_fill(behind[..., None], 0)

    def scatter(self, rows: Tensor, matrices: Tensor) -> Tensor:
        """Writes ``[lanes, most, width]`` to their places in ``[lanes, vocabulary, width]``, in place."""
        matrices[self._lane, self._row] = rows[self._lane, self._position]
        return matrices
