"""PGD from a random start: where it begins, how it goes on from there, and what it trains on."""

from itertools import pairwise

import pytest
import torch
from scipy import stats

from dropattack.methods.balls import random_point
from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing


@pytest.mark.parametrize("by", ["element", "row", "tensor"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_starts_are_uniform_in_the_ball(by, dtype):
    """In d dimensions (distance / radius)^d is uniform, and so is each element of an L∞ ball."""
    generator, radius = torch.Generator().manual_seed(1), 0.3
    value = torch.zeros(3, 2, 2, dtype=dtype)
    drawn = torch.stack([random_point(value, radius, by, generator) for _ in range(600)]).double()
    assert drawn.mean(0).abs().max() < 5 * drawn.std() / 600**0.5
    units = {
        "element": (drawn.flatten() / radius + 1) / 2,
        "row": (drawn.flatten(2).norm(dim=2) / radius).flatten() ** 4,
        "tensor": (drawn.flatten(1).norm(dim=1) / radius) ** 12,
    }
    for kind, unit in units.items():
        assert (stats.kstest(unit.numpy(), "uniform").pvalue > 1e-3) == (kind == by), kind


def test_a_start_does_not_depend_on_the_layout_of_memory():
    value = torch.zeros(2, 3, 4, 4)
    drawn = [
        random_point(v, 1.0, "element", torch.Generator().manual_seed(0))
        for v in (value, value.to(memory_format=torch.channels_last))
    ]
    assert torch.equal(*drawn)


def ascended(gradient, start, alpha, epsilon, norm, whole):
    """One projected step from a perturbation, for each example alone or for a whole matrix."""
    if norm == "linf":
        return (start + alpha * gradient.sign()).clamp(-epsilon, epsilon)
    flat = (lambda t: t.reshape(1, -1)) if whole else (lambda t: t.flatten(1))
    moved = flat(start) + alpha * flat(gradient) / flat(gradient).norm(dim=1, keepdim=True)
    length = moved.norm(dim=1, keepdim=True)
    return torch.where(length > epsilon, moved * epsilon / length, moved).reshape(start.shape)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("clamp", [True, False])
def test_images_ascend_from_their_start(k, clean, norm, clamp):
    model = make(Images)
    images, _ = batch = model.batch()
    points = Points().follow(model)
    values = {"k": k, "clean": clean, "norm": norm, "clamp": clamp, "alpha": 0.2, "epsilon": 0.3}
    result = method_for("pgd", model, random_start=True, **values).step(model, batch, standing(model))
    parameters, (*first, start) = points.parameters[0], points.activations[: 1 + clean]
    assert [torch.equal(seen, images) for seen in first] == [True] * clean
    assert not torch.equal(start, images)
    assert torch.equal(start, start.clamp(0, 1)) == clamp
    size = (start - images).flatten(1)
    assert (size.abs().amax(1) if norm == "linf" else size.norm(dim=1)).max() <= 0.3 * (1 + 1e-9)
    seen = points.activations[clean:]
    assert len(seen) == k + 1
    for here, there in pairwise(seen):
        gradient = gradient_at(model, batch, parameters, here)[1]
        expected = images + ascended(gradient, here - images, 0.2, 0.3, norm, whole=False)
        assert close(there, expected.clamp(0, 1) if clamp else expected)
    found = [gradient_at(model, batch, parameters, point)[0] for point in (*first, seen[-1])]
    for name, parameter in model.named_parameters():
        assert close(parameter.grad, sum(gradients[name] for gradients in found))
    with torch.no_grad():
        logits = model(images if clean else start)
    assert close(result.outputs, logits)


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_rows_of_an_embedding_ascend_from_their_start(clean, norm):
    model = make(Texts)
    batch = model.batch()
    origin = model.embed.weight.detach().clone()
    points = Points().follow(model)
    values = {"k": 2, "clean": clean, "norm": norm, "alpha": 0.2, "epsilon": 0.3}
    method_for("pgd", model, random_start=True, **values).step(model, batch, standing(model))
    seen = points.parameters[clean:]
    start = seen[0]["embed.weight"] - origin
    met = torch.zeros(len(origin), dtype=torch.bool)
    met[batch[0][0].unique()] = True
    met[model.embed.padding_idx] = False
    assert torch.equal(start.ne(0).any(1), met)
    assert (start.norm() if norm == "l2" else start.abs().max()) <= 0.3 * (1 + 1e-9)
    for here, there in pairwise(seen):
        gradient = gradient_at(model, batch, here)[0]["embed.weight"]
        expected = ascended(gradient, here["embed.weight"] - origin, 0.2, 0.3, norm, whole=True)
        assert close(there["embed.weight"] - origin, expected)
    assert torch.equal(model.embed.weight.detach(), origin)
