"""FreeAT and FreeLB on one weight w and the loss ½ mean (w x)², whose gradients are w x² and w² x."""

import math

import pytest
import torch
from torch import nn

import dropattack
from tests.dropattack.toys import Images, Points, Texts, close, make, method_for, standing


class Slope(nn.Module):
    def __init__(self, weight=0.5):
        super().__init__()
        self.seen = nn.Identity()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))

    def forward(self, x):
        return self.weight * self.seen(x)


def quadratic(outputs, _):
    return 0.5 * outputs.square().mean()


def method(name, **values):
    return dropattack.create(name, task=dropattack.Task(loss=quadratic), **values)


def column(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


def sign(number):
    return (number > 0) - (number < 0)


def test_freeat_on_a_quadratic():
    model, rate, step, radius = Slope(), 0.1, 0.03, 0.05
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    freeat = method("freeat", m=3, step_size=step, epsilon=radius)
    weight, delta = 0.5, [0.0, 0.0]
    for batch in ((1.0, -2.0), (0.5, 3.0)):
        freeat.step(model, (column(*batch), torch.zeros(2)), optimizer)
        for _ in range(3):
            points = [x + d for x, d in zip(batch, delta, strict=True)]
            gradient = sum(weight * x * x for x in points) / 2
            rising = [weight * weight * x for x in points]
            weight -= rate * gradient
            moved = [d + step * sign(g) for d, g in zip(delta, rising, strict=True)]
            delta = [min(max(d, -radius), radius) for d in moved]
        assert model.weight.item() == pytest.approx(weight, rel=1e-12)
        assert freeat.state_dict()["delta"].flatten().tolist() == pytest.approx(delta)


def test_freeat_reports_its_first_replay():
    result = method("freeat").step(
        Slope(), (column(1.0, 2.0), torch.zeros(2)), torch.optim.SGD([nn.Parameter()])
    )
    assert result.loss.item() == pytest.approx(0.5 * 0.25 * 2.5)


def test_freeat_keeps_delta_for_batches_of_other_sizes():
    model = make(Texts)
    freeat = method_for("freeat", model)
    (ids, lengths), labels = model.batch(5)
    freeat.step(model, ((ids[:3, :4], lengths[:3].clamp(max=4)), labels[:3]), standing(model))
    small = freeat.state_dict()["delta"]
    points = Points().follow(model)
    freeat.step(model, ((ids, lengths), labels), standing(model))
    given = points.activations[0] - model.embed.weight[ids].detach()
    assert small.shape == (3, 4, 6)
    assert torch.allclose(given[:3, :4], small)
    assert given[3:].abs().max() < 1e-12
    assert given[:, 4:].abs().max() < 1e-12
    assert freeat.state_dict()["delta"].shape == (5, 7, 6)


def test_freeat_clamps_images():
    model = make(Images)
    points = Points().follow(model)
    images, labels = model.batch()
    batch = (images.round(), labels)
    method_for("freeat", model, clamp=True).step(model, batch, standing(model))
    seen = torch.stack(points.activations)
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert (seen[-1] != batch[0]).any()


@pytest.mark.parametrize("max_norm", [0.0, 0.15])
def test_freelb_on_a_quadratic(max_norm):
    model = Slope()
    freelb = method("freelb", k=3, step_size=0.1, magnitude=0.0, max_norm=max_norm)
    freelb.step(model, (column(1.0, -2.0), torch.zeros(2)), standing(model))
    gradient = 0.0
    reach = [0.0, 0.1, 0.15 if max_norm else 0.2]
    for moved in reach:
        gradient += (0.5 * (1 + moved) ** 2 + 0.5 * (2 + moved) ** 2) / 2 / 3
    assert model.weight.grad.item() == pytest.approx(gradient, rel=1e-12)


@pytest.mark.parametrize("toy", [Images, Texts])
def test_freelb_starts_from_bounded_noise_at_real_positions(toy):
    model = make(toy)
    inputs, _ = batch = model.batch()
    points = Points().follow(model)
    method_for("freelb", model, magnitude=0.6).step(model, batch, standing(model))
    if toy is Images:
        noise, real = points.activations[0] - inputs, torch.ones_like(inputs, dtype=torch.bool)
    else:
        noise = points.activations[0] - model.embed.weight[inputs[0]].detach()
        real = (inputs[0] != 0)[..., None].expand_as(noise)
    for example, mask in zip(noise, real, strict=True):
        bound = 0.6 / math.sqrt(mask.sum())
        assert example[mask].abs().max() <= bound
        assert example[mask].abs().max() > 0.7 * bound
        assert (example[~mask].abs() < 1e-12).all()


def test_freelb_ascends_each_example_by_the_step_size():
    model = make(Texts)
    points = Points().follow(model)
    method_for("freelb", model, magnitude=0.0, step_size=0.2).step(model, model.batch(), standing(model))
    moved = (points.activations[1] - points.activations[0]).flatten(1).norm(dim=1)
    assert close(moved, torch.full_like(moved, 0.2))


def test_freelb_attacks_a_frozen_embedding():
    model = make(Texts)
    model.embed.weight.requires_grad_(False)
    result = method_for("freelb", model).step(model, model.batch(), standing(model))
    assert result.log["skipped"] == 0


def test_tokens_of_an_embedding_used_twice_are_refused():
    class Twice(Texts):
        def forward(self, ids, lengths):
            return super().forward(ids, lengths, shift=self.embed(ids))

    model = make(Twice)
    with pytest.raises(dropattack.UsageError, match="used twice in one pass"):
        method_for("freelb", model).step(model, model.batch(), standing(model))
