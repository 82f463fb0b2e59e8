"""APGD-CE and APGD-T against the published algorithm, written out for one image."""

import math

import pytest
import torch

from dropattack.robustness import Pixels, parts
from dropattack.robustness.parts import Budget
from tests.dropattack.robustness.small import Small, images


def cross_entropy(logits, label, target):
    return logits.logsumexp(0) - logits[label]


def targeted_ratio(logits, label, target):
    first, _, third, fourth = logits.sort(descending=True).values[:4]
    return -(logits[label] - logits[target]) / (first - (third + fourth) / 2 + 1e-12)


def published_apgd(model, image, label, target, epsilon, start, loss, steps=100):
    """Algorithm 1 of Croce and Hein (2020), image by image, with the checkpoints of section 3."""

    def value_and_gradient(point):
        point = point.clone().requires_grad_()
        logits = model(point[None])[0]
        value = loss(logits, label, target)
        (gradient,) = torch.autograd.grad(value, point)
        return value.item(), gradient, logits.argmax().item() != label

    def inside(point):
        return torch.minimum(torch.maximum(point, image - epsilon), image + epsilon).clamp(0, 1)

    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    checkpoints = [math.ceil(round(share * steps, 6)) for share in shares[1:]]
    size, before, point = 2 * epsilon, start, start
    value, gradient, _ = value_and_gradient(point)
    best, most, best_gradient = point, value, gradient
    last_most, halved, last = value, True, 0
    values, adversarial = [0.0], None  # the authors' code counts the first step as one that rose from zero
    for step in range(steps):
        ahead = inside(point + size * gradient.sign())
        share = 0.75 if step else 1.0
        point, before = inside(point + share * (ahead - point) + (1 - share) * (point - before)), point
        value, gradient, fooled = value_and_gradient(point)
        values.append(value)
        adversarial = point if fooled else adversarial
        if value > most:
            best, most, best_gradient = point, value, gradient
        if step + 1 in checkpoints:
            rises = sum(values[i] > values[i - 1] for i in range(last + 1, step + 2))
            few = rises <= 0.75 * (step + 1 - last)
            stuck = not halved and last_most >= most
            halved, last_most, last = few or stuck, most, step + 1
            if halved:
                size, point, gradient = size / 2, best, best_gradient
    return adversarial


@pytest.mark.parametrize("kind", ["apgd-ce", "apgd-t"])
def test_apgd_is_the_published_algorithm(kind):
    model = Small(dtype=torch.float64)
    points, labels = images(model, 8, dtype=torch.float64)
    epsilon = 0.02
    torch.manual_seed(5)
    with torch.no_grad():
        found = parts.PARTS[kind](Pixels(model, points), labels, epsilon, Budget(targets=1))
        second = model(points).argsort(1, descending=True)[:, 1]
    torch.manual_seed(5)
    drawn = 2 * torch.rand(points.shape) - 1
    drawn = drawn / drawn.flatten(1).abs().amax(1).view(-1, 1, 1, 1)
    moved = 0
    for i, (image, label, target) in enumerate(zip(points, labels, second, strict=True)):
        start = (image + epsilon * drawn[i]).clamp(0, 1)
        loss = cross_entropy if kind == "apgd-ce" else targeted_ratio
        expected = published_apgd(model, image, label.item(), target.item(), epsilon, start, loss)
        if expected is not None:
            moved += 1
            assert torch.allclose(found[i], expected, atol=1e-9)
    assert 0 < moved < len(points), "some fall and some stand"
