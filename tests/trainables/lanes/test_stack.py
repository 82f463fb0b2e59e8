"""What the passes of a stack ask of a task."""

import pytest
import torch
from torch import Tensor, nn

from dropattack import Inputs, Task, UsageError
from trainables.lanes.stack import Passes, Stack


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 2)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        means: Tensor = self.embed(tokens).sum(1) / lengths[:, None]
        return means


def passes(task: Task) -> Passes:
    tokens = torch.tensor([[[3, 4, 1], [5, 1, 1]], [[5, 5, 1], [3, 4, 5]]])
    lengths = torch.tensor([[2, 1], [2, 3]])
    return Passes(Stack([Reader(), Reader()]), (tokens, lengths), torch.zeros(2, 2).long(), task)


def test_words_are_told_for_the_batches_of_all_lanes() -> None:
    def words(inputs: Inputs) -> Tensor:
        tokens, lengths = inputs
        assert tokens.shape == (4, 3)
        return torch.arange(3) < lengths[:, None]

    lookups = passes(Task(words=words)).lookups
    assert lookups is not None
    assert lookups.counts == [3, 3]


def test_what_tells_no_words_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"Task\.words must return torch\.bool \[4, 3\], .*not torch\.int64 \[4\]"
    ):
        passes(Task(words=lambda inputs: inputs[1]))
