"""L1, L2 and dropout."""

import pytest
import torch
from torch import nn

import dropattack
from tests.dropattack.toys import Images, Texts, close, make, method_for, standing


@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_penalties_equal_differentiating_them(name, power):
    model = make(Images)
    images, labels = batch = model.batch()
    loss = nn.functional.cross_entropy(model(images), labels)
    penalty = sum(p.abs().pow(power).sum() for p in model.parameters())
    expected = torch.autograd.grad(loss + 0.03 * penalty, list(model.parameters()))
    result = method_for(name, model, strength=0.03).step(model, batch, standing(model))
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert close(parameter.grad, gradient)
    assert result.loss.item() == pytest.approx(loss.item())


def test_penalties_reach_parameters_that_the_batch_does_not_use():
    model = make(Images)
    model.idle = nn.Parameter(torch.full((2,), -3.0, dtype=torch.float64))
    method_for("l1", model, strength=0.5).step(model, model.batch(), standing(model))
    assert model.idle.grad.tolist() == [-0.5, -0.5]


def test_dropout_drops_and_scales_what_enters_a_linear_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(50, 1, bias=False)).double()
    seen = []
    model[0].register_forward_hook(lambda _, args, __: seen.append(args[0].detach()))
    features = torch.rand(200, 50, dtype=torch.float64) + 1
    task = dropattack.Task(loss=lambda outputs, _: outputs.mean(), generator=torch.Generator().manual_seed(0))
    dropattack.create("dropout", task=task, rate=0.3).step(
        model, (features, torch.zeros(200)), standing(model)
    )
    kept = seen[0] != 0
    assert torch.allclose(seen[0], features * kept / 0.7)
    assert abs(kept.double().mean() - 0.7) < 4 * (0.21 / features.numel()) ** 0.5
    assert close(model[0].weight.grad, seen[0].mean(0, keepdim=True))


def test_dropout_acts_on_packed_sequences_and_ends_with_the_step():
    model = make(Texts)
    inputs, _ = batch = model.batch()
    packed = []
    model.rnn.register_forward_hook(lambda _, args, __: packed.append(args[0].data.detach()))
    method_for("dropout", model, rate=0.5).step(model, batch, standing(model))
    assert 0.2 < (packed[0] == 0).double().mean() < 0.8
    model(*inputs)
    assert (packed[1] == 0).sum() == 0


def test_dropout_needs_a_layer_to_act_on():
    model = nn.Sequential(nn.Conv2d(1, 4, 6), nn.Flatten())
    with pytest.raises(dropattack.UsageError, match=r"needs a model with nn\.Linear"):
        dropattack.create("dropout").step(
            model, (torch.rand(2, 1, 6, 6), torch.zeros(2).long()), standing(model)
        )
