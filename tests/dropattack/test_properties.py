"""Over shapes, sizes, masks, steps and targets: DropAttack's promises hold everywhere."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import dropattack
from tests.dropattack.toys import close, standing

NAMES = ["input", "first.weight", "first.bias", "last.weight", "last.bias"]


class Layers(nn.Module):
    def __init__(self, features, width, classes):
        super().__init__()
        self.first = nn.Linear(features, width)
        self.last = nn.Linear(width, classes)
        self.points = []

    def forward(self, x):
        self.points.append((x.detach(), {name: p.detach().clone() for name, p in self.named_parameters()}))
        return self.last(torch.tanh(self.first(x)))


cases = st.fixed_dictionaries(
    {
        "epsilon": st.floats(0, 20),
        "p": st.floats(0.01, 1),
        "k": st.integers(1, 3),
        "targets": st.sets(st.sampled_from(NAMES), min_size=1).map("+".join),
        "norm": st.sampled_from(["tensor", "sample", "row", "joint"]),
        "mask": st.sampled_from(["element", "row", "tensor"]),
        "grouping": st.sampled_from(["input+hidden", "per-target", "joint"]),
        "direction": st.sampled_from(["running-sum", "last"]),
        "control": st.sampled_from(["none", "eps-zero", "p-one", "p-one-norm", "random-direction"]),
    }
)


@settings(max_examples=120)
@given(
    case=cases,
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 5),
    features=st.integers(1, 6),
    width=st.integers(1, 5),
    classes=st.integers(2, 4),
)
def test_dropattack(case, seed, batch, features, width, classes):
    torch.manual_seed(seed)
    model = Layers(features, width, classes).double()
    inputs = torch.randn(batch, features, dtype=torch.float64)
    labels = torch.arange(batch) % classes
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    method = dropattack.create("dropattack", **case)
    result = method.step(model, (inputs, labels), standing(model))

    assert all(torch.equal(p, start[name]) for name, p in model.named_parameters())
    assert len(model.points) == method.settings.passes
    assert all(torch.isfinite(value).all() for value in result.log.values())

    weights = [1.0] + [1 / case["k"]] * (len(model.points) - 1)
    expected = {name: torch.zeros_like(value) for name, value in start.items()}
    for weight, (seen, parameters) in zip(weights, list(model.points), strict=True):
        leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
        loss = nn.functional.cross_entropy(torch.func.functional_call(model, leaves, (seen,)), labels)
        for name, gradient in zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True):
            expected[name] += weight * gradient
    for name, parameter in model.named_parameters():
        assert close(parameter.grad, expected[name]) or (parameter.grad - expected[name]).norm() < 1e-14

    shares = {"eps-zero": 0, "p-one": case["p"], "p-one-norm": case["p"] ** 0.5}
    epsilon = case["epsilon"] * shares.get(case["control"], 1)
    for seen, parameters in model.points:
        moved = {"input": seen - inputs} | {name: parameters[name] - start[name] for name in start}
        for name, shift in moved.items():
            attacked = name in method.settings.targets.split("+")
            rows = (
                len(shift) if case["norm"] == "row" or (case["norm"] == "sample" and name == "input") else 1
            )
            assert shift.norm() <= (epsilon * rows**0.5 * (1 + 1e-9) + 1e-12 if attacked else 0)
