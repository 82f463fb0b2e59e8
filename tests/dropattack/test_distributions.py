"""Which distributions outputs stand for, and which of them a divergence counts."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from dropattack.distributions import divergence, log_probabilities

IGNORED = -100


class Outputs:
    """As Hugging Face's models give them."""

    def __init__(self, logits):
        self.logits = logits


def drawn(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def some_ignored(*shape):
    labels = torch.arange(torch.Size(shape).numel()).reshape(shape) % 3
    return labels.masked_fill(labels == 1, IGNORED)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4)])
def test_a_divergence_counts_what_has_a_label(shape):
    p, q = drawn(2, *shape, 3).log_softmax(-1)
    labels = some_ignored(*shape)
    counted = labels != IGNORED
    expected = F.kl_div(q[counted], p[counted], reduction="batchmean", log_target=True)
    for batch in ((None, labels), ({"labels": labels}, None)):
        assert divergence(p, q, batch).item() == pytest.approx(expected.item(), rel=1e-12)
    whole = F.kl_div(q.flatten(0, -2), p.flatten(0, -2), reduction="batchmean", log_target=True)
    for batch in ((None, torch.zeros(shape)), ({}, None), (None, labels[:1])):
        assert divergence(p, q, batch).item() == pytest.approx(whole.item(), rel=1e-12)


def test_without_any_label_a_divergence_is_zero():
    p, q = drawn(2, 4, 2, 3).log_softmax(-1)
    assert divergence(p, q, (None, torch.full((4, 2), IGNORED))) == 0


def test_an_example_without_its_one_label_counts():
    """As in semi-supervised training, where the divergence is what it is there for."""
    p, q = drawn(2, 6, 3).log_softmax(-1)
    whole = F.kl_div(q, p, reduction="batchmean", log_target=True)
    assert divergence(p, q, (None, some_ignored(6))).item() == pytest.approx(whole.item(), rel=1e-12)


class Tagger(nn.Module):
    """Says something of each position by itself."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.tag = nn.Linear(2, 3, dtype=torch.float64)
        self.dropout = nn.Dropout(0.5)

    def forward(self, points):
        return self.tag(self.dropout(points)).transpose(1, 2)


@pytest.mark.parametrize("name", ["r-drop", "trades", "vat"])
def test_positions_without_a_label_do_not_move_a_model(name):
    points, labels = drawn(3, 5, 2), some_ignored(3, 5)
    other = torch.where((labels == IGNORED)[:, :, None], 9 * points, points)
    found = []
    for inputs in (points, other):
        model = Tagger()
        task = dropattack.Task(generator=torch.Generator().manual_seed(0))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        dropattack.create(name, task=task).step(model, (inputs, labels), optimizer)
        found.append(model.tag.weight.grad)
    assert torch.allclose(*found, rtol=1e-12)


def own_loss(outputs, labels):
    return F.cross_entropy(outputs.flatten(0, 1), labels.flatten())


@pytest.mark.parametrize(
    ("given", "inside", "loss", "dim"),
    [
        (Outputs, True, F.cross_entropy, 2),
        (Outputs, False, F.cross_entropy, 1),
        (torch.Tensor.clone, False, F.cross_entropy, 1),
        (torch.Tensor.clone, False, own_loss, None),
    ],
)
def test_as_many_words_as_classes_are_not_taken_for_them(given, inside, loss, dim):
    logits, labels = drawn(2, 3, 3), torch.zeros(2, 3, dtype=torch.int64)
    batch = ({"labels": labels}, None) if inside else ({}, labels)
    task = dropattack.Task(loss=loss)
    if dim is None:
        with pytest.raises(dropattack.UsageError, match="log_probabilities"):
            log_probabilities(given(logits), batch, task)
        return
    expected = logits.log_softmax(dim).movedim(dim, -1)
    assert torch.equal(log_probabilities(given(logits), batch, task), expected)
