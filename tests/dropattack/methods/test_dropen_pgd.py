"""Dropen's PGD training against its ascent written out, with autograd image by image."""

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from tests.dropattack.toys import Images, Points, close, make, method_for, standing

RADIUS = 0.1


def climbed(model, images, labels, steps, radius, clamp=False):
    """Each step ascends Σ‖∇ₓℓᵢ‖² by the sign of its gradient, a third of the radius at a time."""
    position = images
    for _ in range(steps):
        x = position.clone().requires_grad_()
        losses = [F.cross_entropy(model(x[i : i + 1]), labels[i][None]) for i in range(len(x))]
        rows = [torch.autograd.grad(loss, x, create_graph=True)[0] for loss in losses]
        size = sum(row.square().sum() for row in rows)
        step = radius / 3 * torch.autograd.grad(size, x)[0].sign()
        position = images + (position + step - images).clamp(-radius, radius)
        position = position.clamp(0, 1) if clamp else position
    return position


@pytest.mark.parametrize(("examples", "clamp", "steps"), [(5, False, 2), (4, True, 4), (1, False, 1)])
def test_half_of_the_batch_is_moved_to_where_its_gradient_is_larger(examples, clamp, steps):
    model = make(Images)
    images, labels = batch = model.batch(examples)
    half = examples // 2
    attacked = climbed(model, images[half:], labels[half:], steps, RADIUS, clamp)
    mixed = torch.cat([images[:half], attacked])
    leaves = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    loss = F.cross_entropy(functional_call(model, leaves, (mixed,)), labels)
    expected = torch.autograd.grad(loss, list(leaves.values()))

    points = Points().follow(model)
    method = method_for("dropen-pgd", model, k=steps, epsilon=RADIUS, clamp=clamp)
    result = method.step(model, batch, standing(model))
    assert [len(seen) for seen in points.activations] == [examples, *[examples - half] * steps, examples]
    assert torch.equal(points.activations[0], images)
    assert close(points.activations[-1], mixed)
    assert result.loss.item() == pytest.approx(F.cross_entropy(model(images), labels).item())
    for (name, p), gradient in zip(model.named_parameters(), expected, strict=True):
        assert close(p.grad, gradient, 1e-8), name
    assert not close(mixed[half:], images[half:])


def test_it_climbs_the_gradient_and_not_the_loss():
    """Where the two lead apart, ordinary PGD's points are others."""
    model = make(Images)
    images, labels = batch = model.batch(6)
    points = Points().follow(model)
    method_for("dropen-pgd", model, k=1, epsilon=RADIUS).step(model, batch, standing(model))
    x = images[3:].clone().requires_grad_()
    (by_loss,) = torch.autograd.grad(F.cross_entropy(model(x), labels[3:]), x)
    moved = points.activations[2][3:] - images[3:]
    assert not torch.equal(moved.sign(), by_loss.sign())


def test_the_radius_grows_with_the_epochs():
    model = make(Images)
    method = method_for("dropen-pgd", model, k=3, epsilon=0.1, final_epsilon=0.2)
    for progress, radius in ((0.0, 0.1), (0.5, 0.15), (1.0, 0.2)):
        method.begin_epoch(progress)
        images, _ = batch = model.batch(4)
        points = Points().follow(model)
        method.step(model, batch, standing(model))
        assert (points.activations[-1][2:] - images[2:]).abs().max().item() == pytest.approx(radius)
        model.seen._forward_pre_hooks.clear()


@pytest.mark.parametrize("idle", [{"k": 0}, {"epsilon": 0.0, "final_epsilon": 0.0}])
def test_without_room_for_steps_it_is_standard_training(idle):
    gradients = []
    for name, values in (("dropen-pgd", idle), ("standard", {})):
        model = make(Images)
        method = method_for(name, model, **values)
        method.step(model, model.batch(4), standing(model))
        gradients.append([p.grad.clone() for p in model.parameters()])
        assert method.settings.passes == 1
        assert type(method).canonical(method.settings, False)[0] == "standard"
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_passes_count_half_batches_that_are_differentiated_twice():
    model = make(Images)
    assert method_for("dropen-pgd", model, k=6).settings.passes == 7
