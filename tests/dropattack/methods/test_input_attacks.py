import pytest
import torch
import torchattacks
from torch import nn

import dropattack
from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing


def attacked_images(name, model, batch, **values):
    """What the last pass of a step was given."""
    points = Points().follow(model)
    method_for(name, model, **values).step(model, batch, standing(model))
    return points.activations[-1]


def test_fgsm_equals_torchattacks():
    model = make(Images).float()
    images, labels = (t.float() if t.is_floating_point() else t for t in model.batch())
    expected = torchattacks.FGSM(model, eps=0.2)(images, labels)
    actual = attacked_images("fgsm", model, (images, labels), epsilon=0.2, clamp=True)
    assert torch.allclose(actual, expected, atol=1e-6)
    assert actual.min() >= 0
    assert actual.max() <= 1


@pytest.mark.parametrize("k", [1, 4])
def test_pgd_in_the_maximum_norm_equals_torchattacks(k):
    model = make(Images).float()
    images, labels = (t.float() if t.is_floating_point() else t for t in model.batch())
    expected = torchattacks.PGD(model, eps=0.1, alpha=0.04, steps=k, random_start=False)(images, labels)
    values = {"epsilon": 0.1, "alpha": 0.04, "k": k, "norm": "linf", "clamp": True}
    actual = attacked_images("pgd", model, (images, labels), **values)
    assert torch.allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 4])
def test_pgd_in_the_euclidean_norm_equals_torchattacks(k):
    model = make(Images).float()
    images, labels = (t.float() if t.is_floating_point() else t for t in model.batch())
    expected = torchattacks.PGDL2(model, eps=0.5, alpha=0.2, steps=k, random_start=False)(images, labels)
    values = {"epsilon": 0.5, "alpha": 0.2, "k": k, "clamp": True}
    actual = attacked_images("pgd", model, (images, labels), **values)
    assert torch.allclose(actual, expected, atol=1e-5)


def test_fgm_moves_each_image_by_epsilon_along_its_gradient():
    model = make(Images)
    images, _ = batch = model.batch()
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    gradient = gradient_at(model, batch, parameters)[1].flatten(1)
    moved = (attacked_images("fgm", model, batch, epsilon=0.3) - images).flatten(1)
    assert close(moved, 0.3 * gradient / gradient.norm(dim=1, keepdim=True))


def test_fgm_moves_the_embedding_matrix_by_epsilon_as_a_whole():
    model = make(Texts)
    batch = model.batch()
    start = model.embed.weight.detach().clone()
    points = Points().follow(model)
    method_for("fgm", model, epsilon=0.3).step(model, batch, standing(model))
    gradient = gradient_at(model, batch, points.parameters[0])[0]["embed.weight"]
    assert close(points.parameters[1]["embed.weight"] - start, 0.3 * gradient / gradient.norm())


def test_pgd_on_text_stays_in_the_ball():
    model = make(Texts)
    start = model.embed.weight.detach().clone()
    points = Points().follow(model)
    method_for("pgd", model, epsilon=0.25, alpha=0.2, k=3).step(model, model.batch(), standing(model))
    moved = [(point["embed.weight"] - start).norm().item() for point in points.parameters]
    assert moved == [0, pytest.approx(0.2), pytest.approx(0.25), pytest.approx(0.25)]


@pytest.mark.parametrize("name", ["fgsm", "fgm", "pgd"])
def test_training_on_the_attacked_batch_alone(name):
    model = make(Images)
    batch = model.batch()
    points = Points().follow(model)
    method_for(name, model, clean=False).step(model, batch, standing(model))
    expected = gradient_at(model, batch, points.parameters[-1], points.activations[-1])[0]
    for key, parameter in model.named_parameters():
        assert close(parameter.grad, expected[key])


@pytest.mark.parametrize("name", ["dropen", "fgsm", "fgm", "pgd", "freeat"])
def test_clamping_embeddings_is_refused(name):
    model = make(Texts)
    with pytest.raises(dropattack.UsageError, match="clamp is for images"):
        method_for(name, model, clamp=True).step(model, model.batch(), standing(model))


@pytest.mark.parametrize("name", ["awp", "dropattack", "dropen", "fgm", "fgsm", "freeat", "freelb", "pgd"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_integer_inputs_are_refused(name, dtype):
    model = make(Images)
    images, labels = model.batch()
    with pytest.raises(dropattack.UsageError, match="needs floating-point inputs, not torch"):
        method_for(name, model).step(model, (images.to(dtype), labels), standing(model))


def test_other_arguments_of_the_model_are_left_alone():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, features, offset):
            assert torch.equal(offset, torch.ones(4, 2))
            return self.fc(features) + offset

    torch.manual_seed(0)
    model = Two()
    batch = (torch.rand(4, 3), torch.ones(4, 2)), torch.tensor([0, 1, 0, 1])
    result = dropattack.create("fgm").step(model, batch, standing(model))
    assert result.outputs.shape == (4, 2)
