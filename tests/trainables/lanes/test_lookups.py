"""Rows of an embedding matrix that each lane looks up, by hand."""

import torch

from trainables.lanes.lookups import Lookups

TOKENS = torch.tensor([[[7, 3, 7], [3, 3, 1]], [[5, 5, 1], [5, 1, 1]]])


def test_each_lane_has_its_own_distinct_rows_in_ascending_order():
    lookups = Lookups(TOKENS)
    matrices = torch.arange(2 * 9 * 2.0).view(2, 9, 2)
    assert lookups.counts == [3, 2]
    rows = lookups.rows(matrices)
    assert torch.equal(rows[0], matrices[0, [1, 3, 7]])
    assert torch.equal(rows[1, :2], matrices[1, [1, 5]])
    assert not rows[1, 2].any()
    assert lookups.positions.tolist() == [[[2, 1, 2], [1, 1, 0]], [[1, 1, 0], [1, 0, 0]]]


def test_what_was_added_to_match_other_lanes_is_not_looked_up():
    """The second lane's longest text has one token, so its padding of ones does not count."""
    lookups = Lookups(TOKENS, lengths=torch.tensor([[3, 1], [1, 1]]))
    assert lookups.counts == [3, 1]


def test_rows_of_padding_alone_come_behind_those_of_words():
    words = torch.tensor([[[1, 0, 1], [0, 0, 1]], [[1, 1, 0], [1, 1, 0]]]).bool()
    lookups = Lookups(TOKENS, words=words)
    matrices = torch.arange(1, 1 + 2 * 9 * 2.0).view(2, 9, 2)
    assert lookups.counts == [2, 2]
    rows = lookups.rows(matrices)
    assert torch.equal(rows[0], matrices[0, [1, 7, 3]])
    assert torch.equal(rows[1, :2], matrices[1, [1, 5]])
    assert lookups.positions.tolist() == [[[1, 2, 1], [2, 2, 0]], [[1, 1, 0], [1, 0, 0]]]
    kept = lookups.kept(rows)
    assert torch.equal(kept[:, :2], rows[:, :2])
    assert not kept[:, 2].any()


def test_rows_go_back_to_their_places():
    lookups = Lookups(TOKENS)
    matrices = torch.rand(2, 9, 2)
    rows = lookups.rows(matrices)
    back = lookups.scatter(rows, torch.zeros_like(matrices))
    assert torch.equal(back[0, [1, 3, 7]], matrices[0, [1, 3, 7]])
    assert torch.equal(back[1, [1, 5]], matrices[1, [1, 5]])
    assert back.count_nonzero() == 10
