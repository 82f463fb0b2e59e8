"""APB against its Algorithm 2, worked out with the chain rule in numpy."""

import copy
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import dropattack
from tests.dropattack.toys import Images, close, make, method_for, standing

LAYERS = (("0", 4), ("2", 3))


class Perceptron(nn.Sequential):
    names: ClassVar = {"first.b": "0.bias", "last.b": "2.bias", "last.w": "2.weight"}

    def __init__(self):
        super().__init__(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))

    def batch(self, size=6):
        return torch.randn(size, 5, dtype=torch.float64), torch.arange(size) % 3


def gradients_by_hand(model, batch):
    """Σ_b ∂L/∂y_b of both layers, and ∂L/∂W, for the mean cross entropy."""
    x, labels = batch[0].numpy(), batch[1].numpy()
    w1, b1, w2, b2 = (p.detach().numpy().copy() for p in model.parameters())
    hidden = np.tanh(x @ w1.T + b1)
    logits = hidden @ w2.T + b2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    last = (shares - np.eye(3)[labels]) / len(x)
    first = (last @ w2) * (1 - hidden**2)
    return {"0": (first.sum(0), first.T @ x), "2": (last.sum(0), last.T @ hidden)}


def values(model):
    return {name: p.detach().numpy().copy() for name, p in model.named_parameters()}


@pytest.mark.parametrize(("direction", "sign"), [("descend", -1), ("ascend", 1)])
def test_the_naive_bias_moves_by_eta_along_the_sign_and_weights_along_their_gradient(direction, sign):
    model = make(Perceptron)
    batch = model.batch()
    start, by_hand = values(model), gradients_by_hand(model, batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    method_for("apb", model, h=0, eta=0.02, direction=direction).step(model, batch, optimizer)
    after = values(model)
    for layer, _ in LAYERS:
        summed, outer = by_hand[layer]
        moved = after[f"{layer}.bias"] - start[f"{layer}.bias"]
        np.testing.assert_allclose(moved, sign * 0.02 * np.sign(summed))
        np.testing.assert_allclose(after[f"{layer}.weight"], start[f"{layer}.weight"] - 0.1 * outer)


@pytest.mark.parametrize(("direction", "sign"), [("descend", -1), ("ascend", 1)])
def test_the_multimodal_bias_follows_algorithm_2(direction, sign):
    model = make(Perceptron)
    method = method_for("apb", model, h=7, eta=0.05, direction=direction)
    bias = values(model)
    factors = {}
    for number in range(4):
        batch = model.batch()
        by_hand = gradients_by_hand(model, batch)
        method.step(model, batch, standing(model))
        state = method.state_dict()
        for layer, width in LAYERS:
            found = {name: value.numpy() for name, value in state[f"{layer}.bias"].items()}
            if number == 0:
                # The rows that m leaves out at first are random; the others are known.
                weights = np.vstack([bias[f"{layer}.bias"], found["A"][1:]])
                factors[layer] = np.eye(7)[0], weights
                assert found["A"].shape == (7, width)
            memories, weights = factors[layer]
            summed = by_hand[layer][0]
            factors[layer] = (
                memories + sign * 0.05 * np.sign(weights @ summed),
                weights + sign * 0.05 * np.outer(memories, summed),
            )
            np.testing.assert_allclose(found["m"], factors[layer][0])
            np.testing.assert_allclose(found["A"], factors[layer][1])
            np.testing.assert_allclose(values(model)[f"{layer}.bias"], factors[layer][0] @ factors[layer][1])


def test_initial_weights_of_the_memories_have_variance_one_over_h():
    model = make(Perceptron)
    method = method_for("apb", model, h=2500, eta=0.0)
    method.step(model, model.batch(), standing(model))
    drawn = method.state_dict()["0.bias"]["A"][1:]
    assert abs(drawn.mean()) < 4 * 0.02 / drawn.numel() ** 0.5
    assert drawn.std().item() == pytest.approx(0.02, rel=4 / (2 * drawn.numel()) ** 0.5)


def test_folding_changes_no_output():
    """A plain model with the trained parameters answers as one that still multiplies m and A."""
    model = make(Perceptron)
    method = method_for("apb", model, h=5, eta=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(5):
        method.step(model, model.batch(), optimizer)
    plain = make(Perceptron, seed=1)
    plain.load_state_dict(model.state_dict())
    points, _ = model.batch(50)
    hidden = points
    for layer, activation in (("0", torch.tanh), ("2", nn.Identity())):
        factors = method.state_dict()[f"{layer}.bias"]
        product = factors["m"] @ factors["A"]
        hidden = activation(hidden @ model.get_parameter(f"{layer}.weight").T + product)
    assert close(plain(points), hidden, 1e-14)


def test_a_frozen_naive_bias_is_a_plain_bias():
    """Without steps of its own, APB is standard training with those biases frozen."""
    apb = make(Images)
    for _ in range(3):
        method_for("apb", apb, h=0, eta=0.1).step(apb, apb.batch(), standing(apb))
    plain = copy.deepcopy(apb)
    plain.fc.bias.requires_grad_(False)
    batches = [apb.batch() for _ in range(3)]
    for model, name, settings in ((apb, "apb", {"h": 0, "eta": 0.0}), (plain, "standard", {})):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
        method = method_for(name, model, **settings)
        for batch in batches:
            method.step(model, batch, optimizer)
    for left, right in zip(apb.parameters(), plain.parameters(), strict=True):
        assert torch.equal(left, right)
    images, _ = apb.batch()
    assert torch.equal(apb(images), plain(images))


def test_only_the_biases_named_are_taken_over():
    model = make(Perceptron)
    method = method_for("apb", model, h=0, biases="last.b")
    assert list(method.owns(model)) == ["2.bias"]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    method.step(model, model.batch(), optimizer)
    assert model[0].bias in optimizer.state
    assert model[2].bias not in optimizer.state


def test_a_frozen_bias_is_left_alone():
    model = make(Perceptron)
    model[0].bias.requires_grad_(False)
    assert list(method_for("apb", model).owns(model)) == ["2.bias"]


@pytest.mark.parametrize("name", ["last.w", "input", "fc9.b"])
def test_what_is_no_bias_of_a_linear_layer_is_refused(name):
    model = make(Perceptron)
    with pytest.raises(dropattack.UsageError, match=r"is not the bias of .*; valid: first\.b, last\.b"):
        method_for("apb", model, biases=name).step(model, model.batch(), standing(model))


def test_a_model_without_linear_biases_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 4, 6), nn.Flatten(), nn.Linear(4, 4, bias=False))
    with pytest.raises(dropattack.UsageError, match=r"needs a model with nn\.Linear layers"):
        dropattack.create("apb").step(model, (torch.rand(2, 1, 6, 6), torch.zeros(2).long()), standing(model))


def test_biases_have_one_spelling():
    one, other = (dropattack.create("apb", biases=text).settings for text in ("fc3.b+fc1.b", "fc1.b + fc3.b"))
    assert one == other
