"""The rows that each lane's batch looks up in its own embedding matrix."""

import torch
from torch import Tensor


class Lookups:
    """Distinct token ids of each lane's batch, and where each token stands among them.

    A pass that is given these rows as its matrix, and positions for token ids, computes what it would compute
    with the whole matrix, and its gradient is of the rows' size. Lanes meet different numbers of distinct
    tokens: rows are padded with zeros, which no position points at. Finding them makes the host wait for the
    device once, as `RowsTarget` does.

    Args:
        tokens: ``[lanes, batch, length]``, integers.
        lengths: ``[lanes, batch]``, on any device: what lies behind the longest text of a lane was added to
            match the other lanes, and is not looked up. ``None`` where nothing was added.

    Attributes:
        counts: Number of distinct tokens of each lane.
        positions: ``[lanes, batch, length]``: each token's position among its lane's rows.
    """

    def __init__(self, tokens: Tensor, lengths: Tensor | None = None) -> None:
        lanes = torch.arange(len(tokens), device=tokens.device)
        if lengths is not None:
            longest = lengths.amax(1).to(tokens.device, non_blocking=True)
            added = torch.arange(tokens.shape[2], device=tokens.device) >= longest[:, None]
            tokens = torch.where(added[:, None], tokens[:, :1, :1], tokens)
        beyond = tokens.max() + 1
        distinct, inverse = torch.unique(tokens + lanes[:, None, None] * beyond, return_inverse=True)
        self._lane, self._row = distinct // beyond, distinct % beyond
        counts = torch.bincount(self._lane, minlength=len(tokens))
        starts = counts.cumsum(0) - counts
        self._position = torch.arange(len(distinct), device=tokens.device) - starts[self._lane]
        self.positions = self._position[inverse]
        self.counts: list[int] = counts.tolist()

    def rows(self, matrices: Tensor) -> Tensor:
        """``[lanes, most, width]`` of ``[lanes, vocabulary, width]``, zeros behind a lane's own rows."""
        rows = matrices.new_zeros(len(matrices), max(self.counts), matrices.shape[2])
        rows[self._lane, self._position] = matrices[self._lane, self._row]
        return rows

    def scatter(self, rows: Tensor, matrices: Tensor) -> Tensor:
        """Puts ``[lanes, most, width]`` back to their places in ``[lanes, vocabulary, width]``, in place."""
        matrices[self._lane, self._row] = rows[self._lane, self._position]
        return matrices
