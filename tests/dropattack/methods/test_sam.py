"""SAM, ASAM and ESAM against their published rules, written out on named gradients."""

import pytest

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
