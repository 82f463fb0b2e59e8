"""Dropen's terms against sample-by-sample autograd, a linear model by hand, and finite differences."""

from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from dropattack.methods.dropen import similarity
from tests.dropattack.toys import Images, Points, Texts, close, make, method_for, standing

PLAIN = {"k": 0, "cosine": 0.0, "smoothness": 0.0}


class Masked(nn.Module):
    """Dropout whose masks the test has drawn: row i of the batch gets row i of the masks."""

    def __init__(self):
        super().__init__()
        self.masks = torch.empty(0)

    def forward(self, x):
        return x * self.masks[: len(x)]


class Dropping(Images):
    def __init__(self):
        super().__init__()
        self.drop = Masked()

    def forward(self, images):
        return self.fc(self.drop(torch.tanh(self.conv(self.seen(images))).flatten(1)))


class Linear(nn.Sequential):
    names: ClassVar = {}

    def __init__(self):
        super().__init__(nn.Linear(6, 3))

    def batch(self, size=6):
        return torch.rand(size, 6, dtype=torch.float64), torch.arange(size) % 3


def leaves_of(model):
    return {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}


def sample_gradients(model, leaves, images, labels):
    """∇ₓℓᵢ of every image, one image at a time, differentiable by the parameters."""
    found = []
    for image, label in zip(images, labels, strict=True):
        x = image[None].clone().requires_grad_()
        loss = F.cross_entropy(functional_call(model, leaves, (x,)), label[None])
        found.append(torch.autograd.grad(loss, x, create_graph=True)[0].flatten())
    return found


def mean_cosine(gradients, others):
    return sum((g @ o).abs() / (g.norm() * o.norm()) for g, o in zip(gradients, others, strict=False)) / min(
        len(gradients), len(others)
    )


def grads(model):
    return {name: p.grad for name, p in model.named_parameters()}


def assert_gradients(model, total, leaves):
    expected = torch.autograd.grad(total, list(leaves.values()), retain_graph=True)
    for (name, gradient), value in zip(grads(model).items(), expected, strict=True):
        assert close(gradient, value, 1e-8), name


def test_similarity_with_earlier_batches_equals_sample_by_sample_autograd():
    model = make(Images)
    method = method_for("dropen", model, cosine=3.0, smoothness=0.0, memory=2)
    batches = [model.batch(size) for size in (5, 4, 5, 6)]
    earlier = []
    for images, labels in batches:
        leaves = leaves_of(model)
        gradients = sample_gradients(model, leaves, images, labels)
        kept = earlier[-2:]
        cosine = sum(mean_cosine(gradients, other) for other in kept) / max(len(kept), 1)
        loss = F.cross_entropy(functional_call(model, leaves, (images,)), labels)
        result = method.step(model, (images, labels), torch.optim.SGD(model.parameters(), lr=0.0))
        assert result.log["cosine"].item() == pytest.approx(float(torch.as_tensor(cosine).detach()), rel=1e-9)
        assert result.loss.item() == pytest.approx(loss.item())
        assert_gradients(model, loss + 3.0 * cosine, leaves)
        earlier.append([g.detach() for g in gradients])


def test_smoothness_equals_sample_by_sample_autograd_and_does_not_depend_on_the_batch_size():
    model = make(Images)
    images, labels = model.batch()
    leaves = leaves_of(model)
    squares = [g.square().sum() for g in sample_gradients(model, leaves, images, labels)]
    smoothness = sum(squares) / len(squares)
    loss = F.cross_entropy(functional_call(model, leaves, (images,)), labels)
    settings = {"cosine": 0.0, "smoothness": 0.7, "k": 0}
    result = method_for("dropen", model, **settings).step(model, (images, labels), standing(model))
    assert_gradients(model, loss + 0.7 * smoothness, leaves)
    twice = (torch.cat([images, images]), torch.cat([labels, labels]))
    again = method_for("dropen", model, **settings).step(model, twice, standing(model))
    assert again.log["smoothness"].item() == pytest.approx(result.log["smoothness"].item())
    assert_gradients(model, loss + 0.7 * smoothness, leaves)


def test_smoothness_on_the_half_that_is_attacked_equals_sample_by_sample_autograd():
    model = make(Images)
    images, labels = batch = model.batch(5)
    points = Points().follow(model)
    method_for("dropen", model, cosine=0.0, smoothness=0.7, k=2).step(model, batch, standing(model))
    clean, first, second, mixed = points.activations
    assert [len(seen) for seen in points.activations] == [5, 3, 3, 5]
    assert torch.equal(clean, images)
    assert torch.equal(first, images[2:])
    assert torch.equal(mixed[:2], images[:2])
    model.seen._forward_pre_hooks.clear()
    position = images[2:]
    for seen in (second, mixed[2:]):
        x = position.clone().requires_grad_()
        losses = [F.cross_entropy(model(x[i : i + 1]), labels[2 + i][None]) for i in range(3)]
        rows = [torch.autograd.grad(loss, x, create_graph=True)[0] for loss in losses]
        size = sum(row.square().sum() for row in rows)
        step = 0.1 / 3 * torch.autograd.grad(size, x)[0].sign()
        position = images[2:] + (position + step - images[2:]).clamp(-0.1, 0.1)
        assert close(seen, position)
    leaves = leaves_of(model)
    squares = [g.square().sum() for g in sample_gradients(model, leaves, mixed, labels)]
    loss = F.cross_entropy(functional_call(model, leaves, (images,)), labels)
    assert_gradients(model, loss + 0.7 * sum(squares) / len(squares), leaves)


def test_two_masks_on_one_batch_equal_sample_by_sample_autograd():
    model = make(Dropping)
    images, labels = batch = model.batch(4)
    masks = 2.0 * torch.randint(0, 2, (8, 48)).double()
    model.drop.masks = masks
    settings = {"cosine": 3.0, "smoothness": 0.5, "k": 0, "compare": "masks"}
    result = method_for("dropen", model, **settings).step(model, batch, standing(model))
    leaves = leaves_of(model)
    gradients, losses, outputs = [], [], []
    for row in range(8):
        model.drop.masks = masks[row : row + 1]
        image, label = images[row % 4][None], labels[row % 4][None]
        gradients += sample_gradients(model, leaves, image, label)
        outputs.append(functional_call(model, leaves, (image,)))
        losses.append(F.cross_entropy(outputs[-1], label))
    cosine = mean_cosine(gradients[4:], gradients[:4])
    smoothness = sum(g.square().sum() for g in gradients) / 8
    assert result.log["cosine"].item() == pytest.approx(cosine.item())
    assert close(result.outputs, torch.cat(outputs[:4]).detach())
    assert_gradients(model, sum(losses) / 8 + 3.0 * cosine + 0.5 * smoothness, leaves)


def test_both_terms_and_the_ascent_of_a_linear_model_by_hand():
    """∇ₓℓ = Wᵀ(p − y), so ∇ₓ‖∇ₓℓ‖² = 2 Wᵀ(diag p − ppᵀ)W Wᵀ(p − y)."""
    model = make(Linear)
    w, b = (p.detach().numpy() for p in model.parameters())

    def by_hand(x, y):
        exponents = np.exp(w @ x + b)
        p = exponents / exponents.sum()
        gradient = w.T @ (p - np.eye(3)[y])
        return gradient, 2 * w.T @ (np.diag(p) - np.outer(p, p)) @ w @ gradient

    method = method_for("dropen", model, cosine=1.0, smoothness=1.0, k=1, epsilon=0.3)
    one, other = model.batch(4), model.batch(4)
    method.step(model, one, standing(model))
    seen = []
    model.register_forward_hook(lambda _, args, __: seen.append(args[0].detach().numpy().copy()))
    log = method.step(model, other, standing(model)).log
    past, now = ([by_hand(x, y)[0] for x, y in zip(i.numpy(), t, strict=True)] for i, t in (one, other))
    cosines = [abs(g @ o) / np.linalg.norm(g) / np.linalg.norm(o) for g, o in zip(now, past, strict=True)]
    assert log["cosine"].item() == pytest.approx(np.mean(cosines))
    expected = other[0].numpy().copy()
    for i in (2, 3):
        expected[i] += 0.1 * np.sign(by_hand(expected[i], other[1][i])[1])
    np.testing.assert_allclose(seen[-1], expected)
    squares = [(by_hand(x, y)[0] ** 2).sum() for x, y in zip(expected, other[1], strict=True)]
    assert log["smoothness"].item() == pytest.approx(np.mean(squares))


def test_the_penalties_gradient_is_the_slope_that_finite_differences_see():
    model = make(Images)
    images, labels = model.batch()
    earlier = model.batch()
    directions = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    method = method_for("dropen", model, cosine=2.0, smoothness=3.0, k=0)
    method.step(model, earlier, standing(model))
    past = torch.stack([g.detach() for g in sample_gradients(model, leaves_of(model), *earlier)])

    def total(shift):
        leaves = {name: p.detach() + shift * directions[name] for name, p in model.named_parameters()}
        x = images.clone().requires_grad_()
        loss = F.cross_entropy(functional_call(model, leaves, (x,)), labels, reduction="sum")
        rows = torch.autograd.grad(loss, x)[0].flatten(1)
        cosine = F.cosine_similarity(rows, past, dim=1).abs().mean()
        return loss.detach() / len(images) + 2 * cosine + 3 * rows.square().sum(1).mean()

    slope = (total(1e-5) - total(-1e-5)) / 2e-5
    method.step(model, (images, labels), standing(model))
    found = sum((grads(model)[name] * direction).sum() for name, direction in directions.items())
    assert found.item() == pytest.approx(slope.item(), rel=1e-6)


@pytest.mark.parametrize("toy", [Images, Texts])
def test_without_its_terms_it_is_standard_training(toy):
    models = [make(toy), make(toy)]
    batch = models[0].batch()
    for model, name, settings in zip(models, ("dropen", "standard"), (PLAIN, {}), strict=True):
        method_for(name, model, **settings).step(model, batch, standing(model))
    for left, right in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert close(left.grad, right.grad)


def test_an_epoch_forgets_earlier_batches_and_widens_the_ascent():
    model = make(Images)
    method = method_for("dropen", model, k=1, epsilon=0.3, final_epsilon=0.6, memory=3)
    points = Points().follow(model)
    for progress, radius in ((0.0, 0.3), (0.5, 0.45)):
        method.begin_epoch(progress)
        images, labels = model.batch(4)
        for known in range(5):
            log = method.step(model, (images, labels), standing(model)).log
            assert (log["cosine"] > 0) == (known > 0)
            assert len(method.state_dict()["earlier"]) == min(known + 1, 3)
        moved = (points.activations[-1] - images)[2:]
        assert close(moved.abs(), torch.full_like(moved, radius / 3))


def test_the_ascent_stays_in_the_ball_and_clamped_in_the_unit_interval():
    model = make(Images)
    images, labels = model.batch(4)
    points = Points().follow(model)
    settings = {"k": 6, "epsilon": 0.25, "clamp": True}
    method_for("dropen", model, **settings).step(model, (images, labels), standing(model))
    attacked = points.activations[-1][2:]
    assert (attacked - images[2:]).abs().max() <= 0.25 + 1e-12
    assert (attacked - images[2:]).abs().max() > 0.2
    assert attacked.min() >= 0
    assert attacked.max() <= 1


def test_a_batch_that_is_not_finite_does_not_poison_the_memory():
    model = make(Images)
    factors = [float("nan"), 1.0]

    def loss(outputs, labels):
        return F.cross_entropy(outputs * factors[0], labels)

    method = method_for("dropen", model, k=0, task={"loss": loss})
    assert method.step(model, model.batch(), standing(model)).log["skipped_updates"] == 1
    factors.pop(0)
    result = method.step(model, model.batch(), standing(model))
    assert result.log["skipped_updates"] == 0
    assert result.log["cosine"] == 0
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_similarity_of_different_shapes_and_of_zero_rows():
    one = torch.tensor([[[3.0, 4.0, 9.0]], [[0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]], requires_grad=True)
    other = torch.tensor([[[4.0, 3.0]], [[1.0, 0.0]]])
    value = similarity(one, [other])
    assert value.item() == pytest.approx((24 / 25 + 0) / 2)
    value.backward()
    assert one.grad.isfinite().all()
    assert similarity(one, []) == 0


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({}, 4 + 6),
        ({"k": 0}, 2),
        ({"k": 3, "cosine": 0.0}, 1 + 2 + 3),
        ({"smoothness": 0.0}, 2),
        ({"compare": "masks"}, 4 + 2 + 6),
        ({"compare": "masks", "k": 0}, 4),
        (PLAIN, 1),
    ],
)
def test_passes_are_as_many_as_declared_in_every_form(settings, passes):
    model = make(Images)
    backwards = []

    def follow(_, __, outputs):
        outputs.register_hook(lambda gradient: backwards.append(len(gradient)))

    model.register_forward_hook(follow)
    method = method_for("dropen", model, **{"k": 6, **settings})
    method.step(model, model.batch(4), standing(model))
    assert method.settings.passes == passes == sum(backwards) / 4
