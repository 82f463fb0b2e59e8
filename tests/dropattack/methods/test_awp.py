"""AWP against its published rule, written out on named gradients."""

import pytest
import torch

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


def test_awp_measures_an_embedding_by_the_rows_of_the_batch():
    model = make(Texts)
    batch = model.batch()
    start = model.embed.weight.detach().clone()
    points = Points().follow(model)
    method_for("awp", model, gamma=0.03, k=0).step(model, batch, standing(model))
    present = batch[0][0].unique()
    present = present[present != 0]
    moved = points.parameters[-1]["embed.weight"] - start
    assert moved.norm().item() == pytest.approx(0.03 * start[present].norm().item())
    assert moved[0].abs().max() == 0
