"""SAM, ASAM, ESAM and AWP against their published rules, written out on named gradients."""

import pytest
import torch

from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing


def moves(name, toy=Images, **values):
    """Start, clean gradient and the shift of every parameter in the last pass."""
    model = make(toy)
    batch = model.batch()
    start = {key: p.detach().clone() for key, p in model.named_parameters()}
    points = Points().follow(model)
    method_for(name, model, **values).step(model, batch, standing(model))
    activation = points.activations[-1] if toy is Images else None
    gradient = gradient_at(model, batch, start, activation)[0]
    return start, gradient, {key: points.parameters[-1][key] - start[key] for key in start}


@pytest.mark.parametrize("toy", [Images, Texts])
def test_sam(toy):
    _, gradient, moved = moves("sam", toy, rho=0.1)
    total = sum(g.square().sum() for g in gradient.values()).sqrt()
    for key, g in gradient.items():
        assert close(moved[key], 0.1 * g / total, 1e-8), key


@pytest.mark.parametrize("toy", [Images, Texts])
def test_asam(toy):
    start, gradient, moved = moves("asam", toy, rho=0.4, eta=0.02)
    scale = {key: w.abs() + 0.02 for key, w in start.items()}
    total = sum((scale[key] * g).square().sum() for key, g in gradient.items()).sqrt()
    for key, g in gradient.items():
        assert close(moved[key], 0.4 * scale[key] ** 2 * g / total, 1e-8), key


def test_esam_masks_sams_perturbation_and_divides_by_beta():
    _, gradient, moved = moves("esam-swp", rho=0.1, beta=0.6)
    total = sum(g.square().sum() for g in gradient.values()).sqrt()
    attacked = 0
    for key, g in gradient.items():
        whole = 0.1 * g / total / 0.6
        mask = moved[key].abs() > whole.abs() / 2
        attacked += mask.sum().item()
        assert close(moved[key], whole * mask, 1e-8), key
    count = sum(g.numel() for g in gradient.values())
    assert abs(attacked / count - 0.6) < 4 * (0.24 / count) ** 0.5


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
