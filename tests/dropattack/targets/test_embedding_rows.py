"""Rows that a batch looks up, beside what sets of Python say."""

import pytest
import torch

from dropattack.targets.embedding_rows import _distinct


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (8, 40), (0, 4), (2, 0)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_distinct_rows_are_those_of_sets(shape: tuple[int, int], share: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(0, 30, shape, generator=generator).to(dtype)
    words = torch.rand(shape, generator=generator) < share
    known = set(tokens[words].tolist())
    found, padding = _distinct(tokens, words)
    assert found.tolist() == sorted(known)
    assert padding.tolist() == sorted(set(tokens.flatten().tolist()) - known)
