"""AWP against its published rule, written out on named gradients."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from dropattack.testing.methods.models import Tied
from tests.dropattack.methods.test_sam import moves
from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing


@pytest.mark.parametrize("k", [0, 2])
def test_awp_moves_each_matrix_by_gamma_times_its_norm(k):
    start, gradient, moved = moves("awp", gamma=0.03, k=k)
    for key, g in gradient.items():
        expected = 0.03 * start[key].norm() * g / g.norm() if g.dim() > 1 else torch.zeros_like(g)
        assert close(moved[key], expected, 1e-8), key


def test_awp_on_adversarial_inputs():
    model = make(Images)
    images, _ = batch = model.batch()
    points = Points().follow(model)
    method_for("awp", model, epsilon=0.05, alpha=0.03, k=2).step(model, batch, standing(model))
    parameters, position = points.parameters[0], images
    for seen in points.activations[1:3]:
        step = 0.03 * gradient_at(model, batch, parameters, position)[1].sign()
        position = images + (position + step - images).clamp(-0.05, 0.05)
        assert close(seen, position)
    assert torch.equal(points.activations[2], points.activations[3])


class Large(Texts):
    """2,000 words, of which a batch shows at most 48; rows of different sizes."""

    def __init__(self):
        super().__init__(vocabulary=2000)
        with torch.no_grad():
            self.embed.weight.mul_(torch.linspace(0.1, 3, 2000)[:, None])


class LargeTied(Large):
    """The same with a last layer that shares the matrix."""

    names: ClassVar = Tied.names

    def __init__(self):
        super().__init__()
        self.narrow = nn.Linear(5, 6)
        self.fc = nn.Linear(6, 2000, bias=False)
        self.fc.weight = self.embed.weight

    forward = Tied.forward


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("tied", [False, True])
def test_awp_measures_an_embedding_by_the_whole_matrix(tied, k):
    ids = torch.randint(1, 2000, (6, 8), generator=torch.Generator().manual_seed(3))
    batch = (ids, torch.full((6,), 8)), torch.arange(6) % 4
    model = make(LargeTied if tied else Large)
    points = Points().follow(model)
    start = model.embed.weight.detach().clone()
    method_for("awp", model, gamma=0.03, k=k).step(model, batch, standing(model))
    moved = points.parameters[-1]["embed.weight"] - start
    assert moved.norm().item() == pytest.approx(0.03 * start.norm().item())
    rows = torch.zeros(2000, dtype=torch.bool)
    rows[ids.unique()] = True
    assert start.norm() > 5 * start[rows].norm()
    assert moved[rows].any(1).all()
    assert (moved[~rows] != 0).any() == tied


def test_awp_leaves_the_row_of_padding_alone():
    model = make(Texts)
    points = Points().follow(model)
    start = model.embed.weight.detach().clone()
    method_for("awp", model, gamma=0.03, k=0).step(model, model.batch(), standing(model))
    assert (points.parameters[-1]["embed.weight"] - start)[0].abs().max() == 0
