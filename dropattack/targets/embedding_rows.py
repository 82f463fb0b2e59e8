"""An embedding matrix as an attack sees it: the rows that the batch looks up."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from dropattack.targets.lookups import Words, by_hand
from dropattack.targets.target import ParameterTarget, Perturbation, made

_CHECKED: weakref.WeakSet[nn.Embedding] = weakref.WeakSet()
"""Embeddings whose other rows had no gradient when checked; a check in every step would cost too much."""


class RowsTarget(ParameterTarget):
    """The rows of an embedding matrix that the batch looks up; its other rows have no gradient.

    A mask over the whole matrix, cut to these rows, has the distribution of a mask over the rows. So a mask
    over the rows is enough, and the cost does not grow with the vocabulary.

    The lookups of the first pass decide the rows. A row that is looked up for padding alone is not attacked.
    Nor is a row that only a later pass looks up, as with words dropped at random. The gradients of such rows
    still count. On a GPU finding the distinct rows makes the host wait.

    While attached, the target gathers the gradients of the passes itself, row by row, and ``.grad`` is empty;
    adding up whole matrices would cost more than the attack. `detach` puts the sum into ``.grad``.
    """

    inside = True

    def __init__(self, name: str, embedding: nn.Embedding, words: Words) -> None:
        super().__init__(name, embedding.weight)
        self._embedding, self._words = embedding, words
        self._handles: list[RemovableHandle] = []
        self._rows: Tensor | None = None
        self._unattacked: Tensor | None = None
        self._tokens: list[tuple[Tensor, int]] = []
        self._complete = False
        self._pending: Callable[[Tensor], Tensor] | None = None
        self._watched = False
        self._fresh: Tensor | None = None

    @override
    def attach(self) -> None:
        self._words.attach()
        self._handles = [
            self._embedding.register_forward_pre_hook(self._look_up, with_kwargs=True),
            self.parameter.register_post_accumulate_grad_hook(self._gather),
        ]

    @override
    def detach(self) -> None:
        super().detach()
        self._words.detach()
        for handle in self._handles:
            handle.remove()
        if self._gathered is not None:
            self.parameter.grad = self._gathered

    @torch.no_grad()
    def _look_up(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Records rows that are new, and perturbs them where a perturbation is pending."""
        tokens = args[0] if args else kwargs["input"]
        if any(_same(tokens, *known) for known in self._tokens):
            return
        if not self._complete:
            self._tokens.append((tokens, tokens._version))
        rows, padding = _distinct(tokens, self._words.among(tokens))
        rows = _beyond(rows, self._rows)
        if self._complete:
            self._leave_out(torch.cat([rows, padding]))
            return
        if self._rows is None:
            self._rows, self._unattacked = rows, padding if len(padding) else None
        else:
            self._rows = torch.cat([self._rows, rows])
            self._leave_out(padding)
        if self._pending is not None:
            before = self.parameter.index_select(0, rows)
            self._original = before if self._original is None else torch.cat([self._original, before])
            self.parameter.index_add_(0, rows, self._pending(before))

    def _leave_out(self, rows: Tensor) -> None:
        """Records rows that are looked up and not attacked."""
        if len(rows):
            known = rows if self._unattacked is None else torch.cat([self._unattacked, rows])
            self._unattacked = torch.unique(known)
        if self._unattacked is not None:
            self._unattacked = _beyond(self._unattacked, self._rows)

    @property
    def rows(self) -> Tensor:
        """Distinct row numbers, ``[rows]``."""
        self._complete = True
        if self._rows is None:
            raise by_hand(self.name)
        return self._rows

    @property
    def _looked_up(self) -> Tensor:
        """Rows that have a gradient, attacked or not."""
        if self._rows is None:
            raise by_hand(self.name)
        return self._rows if self._unattacked is None else torch.cat([self._rows, self._unattacked])

    @property
    @override
    def value(self) -> Tensor:
        """See `Target.value`; ``[rows, width]``."""
        if self._original is None:
            return self.parameter.detach().index_select(0, self.rows)
        return self._original

    @override
    def select(self, gradient: Tensor) -> Tensor:
        """See `Target.select`; ``[rows, width]``."""
        selected = gradient.index_select(0, self.rows)
        return selected.to_dense() if selected.is_sparse else selected

    @override
    def gradient(self) -> Tensor | None:
        return self._fresh

    @override
    def watch(self) -> None:
        self._watched = True

    @override
    def unwatch(self) -> None:
        self._watched, self._fresh = False, None

    @torch.no_grad()
    def _gather(self, parameter: Tensor) -> None:
        """Takes the gradient that a pass has just left."""
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        rows = self._looked_up
        if self._gathered is None:
            self._gathered = gradient
            self._check_other_rows(gradient)
        elif gradient.is_sparse:
            self._gathered = self._gathered + gradient
        else:
            self._gathered.index_add_(0, rows, gradient.index_select(0, rows))
        self._fresh = self.select(gradient) if self._watched else None

    def _check_other_rows(self, gradient: Tensor) -> None:
        """Checks, once for each embedding, that no other row has a gradient.

        Raises:
            UsageError: The model uses the matrix outside its lookups.
        """
        if gradient.is_sparse or self._embedding in _CHECKED:
            return
        if gradient.index_fill(0, self._looked_up, 0).any():
            raise by_hand(self.name)
        if len(self._looked_up) < self._embedding.num_embeddings:
            _CHECKED.add(self._embedding)

    @torch.no_grad()
    @override
    def shift(self, perturbation: Perturbation) -> None:
        """See `Target.shift`; before the first pass, a function is applied row by row as they are met."""
        if self._rows is None and not isinstance(perturbation, Tensor):
            self._pending = perturbation
            return
        if self._original is None:
            self._original = self.parameter.index_select(0, self.rows)
        perturbed = self._original + made(perturbation, self._original)
        self.parameter.index_copy_(0, self.rows, perturbed)

    @torch.no_grad()
    @override
    def restore(self) -> None:
        self._pending = None
        if self._original is not None:
            self.parameter.index_copy_(0, self.rows, self._original)
            self._original = None


def _distinct(tokens: Tensor, words: Tensor | None) -> tuple[Tensor, Tensor]:
    """Distinct tokens in ascending order: those that stand for a word somewhere, and those that never do.

    On a GPU the host waits once, for the numbers of both.
    """
    if words is None:
        return torch.unique(tokens), tokens.new_empty(0)
    marked = (2 * tokens + ~words).flatten().sort().values
    rows = marked // 2
    first = torch.cat([rows.new_ones(len(rows[:1]), dtype=torch.bool), rows[1:] != rows[:-1]])
    # In ascending order, a token's first mark is even where it is a word somewhere.
    kinds = torch.stack([first & (marked % 2 == 0), first & (marked % 2 == 1)])
    places = kinds.flatten().cumsum(0).view_as(kinds) - 1
    kept = rows.new_empty(len(rows) + 1)  # the last place takes what is met again
    kept.scatter_(0, torch.where(kinds[0], places[0], torch.where(kinds[1], places[1], len(rows))), rows)
    found, padding = kinds.sum(1).tolist()
    return kept[:found], kept[found : found + padding]


def _beyond(rows: Tensor, known: Tensor | None) -> Tensor:
    """Those of the rows that are not among the known ones."""
    return rows if known is None else rows[~torch.isin(rows, known)]


def _same(tokens: Tensor, known: Tensor, version: int) -> bool:
    """Whether tokens are the same tensor as before, by their place in memory and not by their values."""
    return (
        tokens.data_ptr() == known.data_ptr()
        and tokens.shape == known.shape
        and tokens.stride() == known.stride()
        and tokens._version == version
    )
