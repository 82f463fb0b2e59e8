"""Weights that a parametrization computes: restored beneath, and attacked as the layer sees them."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

import dropattack
from dropattack import Task, UsageError

X, Y = torch.rand(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0])


def normed(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    first = nn.Linear(3, 4)
    if kind == "old weight_norm":
        first = nn.utils.weight_norm(first)
    elif kind != "plain":
        first = getattr(parametrizations, kind)(first)
    return nn.Sequential(first, nn.Tanh(), nn.Linear(4, 3)).double()


@pytest.mark.parametrize("kind", ["weight_norm", "orthogonal", "old weight_norm"])
@pytest.mark.parametrize("name", sorted(dropattack.registered()))
def test_methods_run_on_weights_that_are_computed_and_restore_them(name: str, kind: str) -> None:
    model = normed(kind)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    method = dropattack.create(name, task=Task(generator=torch.Generator().manual_seed(1)))
    result = method.step(model, (X, Y), torch.optim.SGD(model.parameters(), lr=0.0))
    assert result.log["skipped_updates"] == 0
    owned = method.owns(model)
    assert all(torch.equal(before[n], p) for n, p in model.named_parameters() if n not in owned)


@pytest.mark.parametrize("kind", ["weight_norm", "orthogonal", "spectral_norm"])
def test_a_computed_weight_is_attacked_as_the_layer_sees_it(kind: str) -> None:
    """Expected: the gradient by g and v at W + ε ∇_W / ‖∇_W‖, with W(g, v) + that shift by hand."""
    model = normed(kind).eval()
    method = dropattack.create("dropattack", targets="0.weight", epsilon=0.5, p=1.0)
    method.step(model, (X, Y), torch.optim.SGD(model.parameters(), lr=0.0))
    loss = nn.functional.cross_entropy

    def outputs(weight: Tensor) -> Tensor:
        found: Tensor = model[2](torch.tanh(nn.functional.linear(X, weight, model[0].bias)))
        return found

    parameters = list(model.parameters())
    weight = model[0].weight.detach().requires_grad_()
    (by,) = torch.autograd.grad(loss(outputs(weight), Y), [weight])
    shift = 0.5 * by / by.norm()
    clean = torch.autograd.grad(loss(outputs(model[0].weight), Y), parameters, allow_unused=True)
    there = torch.autograd.grad(loss(outputs(model[0].weight + shift), Y), parameters, allow_unused=True)
    for parameter, one, other in zip(parameters, clean, there, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, one + other)


def test_a_computed_weight_that_is_read_twice_says_what_to_attack() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = parametrizations.weight_norm(nn.Linear(3, 3))

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.fc(self.fc(x))
            return found

    model = Twice().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(UsageError, match="used twice in one pass; attack the parameters that it is computed"):
        dropattack.create("dropattack", targets="fc.weight").step(model, (X, Y), optimizer)
    name = "fc.parametrizations.weight.original1"
    dropattack.create("dropattack", targets=name).step(model, (X, Y), optimizer)
    assert parametrize.is_parametrized(model.fc)
