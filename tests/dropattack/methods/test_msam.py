"""Momentum-SAM against its algorithm written out: where it looks, what it remembers."""

import io

import pytest
import torch

from dropattack.testing.methods.models import Images, Layered, Texts, make, parameters_of, standing
from tests.dropattack.methods.oracles import error_after_three_steps, gradients
from tests.dropattack.toys import Points, close, method_for


@pytest.mark.parametrize("kind", [Images, Layered])
def test_three_steps(kind):
    velocity = {}

    def rule(written, parameters, images, labels):
        length = sum(v.square().sum() for v in velocity.values()) ** 0.5 if velocity else 1
        ahead = {
            key: (p.detach() - 0.4 * velocity[key] / length if velocity else p.detach()).requires_grad_()
            for key, p in parameters.items()
        }
        found = gradients(written.loss(ahead, images, labels), ahead)
        for key, g in found.items():
            velocity[key] = 0.8 * velocity.get(key, 0) + g
        return found

    assert error_after_three_steps("msam", kind, rule, rho=0.4, mu=0.8) < 1e-12


@pytest.mark.parametrize("kind", [Images, Texts])
def test_it_runs_ahead_of_sgd_with_momentum(kind):
    """Under SGD with momentum μ, v is the optimizer's buffer: its way goes on."""
    model = make(kind)
    points = Points().follow(model)
    method = method_for("msam", model, rho=0.3, mu=0.9)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        method.step(model, model.batch(), optimizer)
    buffers = {name: optimizer.state[p]["momentum_buffer"] for name, p in model.named_parameters()}
    before = parameters_of(model)
    method.step(model, model.batch(), standing(model))
    length = torch.cat([v.flatten() for v in buffers.values()]).norm()
    for name, v in buffers.items():
        assert close(points.parameters[-1][name] - before[name], -0.3 * v / length, 1e-9), name


def test_the_first_step_is_a_plain_one():
    model = make(Images)
    points = Points().follow(model)
    before = parameters_of(model)
    method_for("msam", model, rho=5).step(model, model.batch(), standing(model))
    assert len(points.parameters) == 1
    assert all(torch.equal(value, before[name]) for name, value in points.parameters[0].items())


def test_momentum_survives_a_checkpoint_and_a_fresh_one_has_none():
    model = make(Images)
    method = method_for("msam", model)
    assert method.state_dict() == {}
    method.step(model, model.batch(), standing(model))
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = method_for("msam", model)
    other.load_state_dict(torch.load(file, weights_only=True))
    batch, found = model.batch(), []
    for each in (method, other):
        each.step(model, batch, standing(model))
        found.append(model.fc.weight.grad.clone())
    assert torch.equal(*found)
    other.load_state_dict({})
    assert other.state_dict() == {}


def test_a_bad_batch_leaves_no_trace_in_the_momentum():
    model = make(Images)
    good = model.batch()
    method = method_for("msam", model)
    method.step(model, good, standing(model))
    kept = method.state_dict()["momentum"]
    bad = torch.full_like(good[0], float("nan")), good[1]
    method.step(model, bad, standing(model))
    after = method.state_dict()["momentum"]
    assert all(torch.equal(value, after[name]) for name, value in kept.items())
