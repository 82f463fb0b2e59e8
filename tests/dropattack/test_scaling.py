"""Losses that are scaled: no method sees the factor, and it goes as GradScaler's does."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from dropattack import LossScale, Task
from dropattack.testing.methods.models import Normalised, Recurrent, parameters_of
from tests.dropattack.toys import Images, Texts, make, method_for, standing

every_method = pytest.mark.parametrize("name", sorted(dropattack.registered()))
every_toy = pytest.mark.parametrize("toy", [Images, Normalised, Texts, Recurrent])


def trained(name, toy, scaling, steps=3, **task):
    """Parameters, buffers and logs of some steps with momentum; the model is in double precision."""
    model = make(toy)
    method = method_for(name, model, task={"scaling": scaling, **task})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    torch.manual_seed(1)
    batches = [model.batch() for _ in range(steps)]
    logs = [method.step(model, batch, optimizer) for batch in batches]
    return model.state_dict(), logs


@every_method
@every_toy
@pytest.mark.parametrize("factor", [2.0**-3, 2.0**16])
def test_a_power_of_two_changes_no_bit_of_any_method(name, toy, factor):
    states, logs = zip(*(trained(name, toy, s) for s in (None, LossScale(factor))), strict=True)
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
    for one, other in zip(*logs, strict=True):
        assert torch.equal(one.loss, other.loss)
        assert {n: float(v) for n, v in one.log.items()} == {n: float(v) for n, v in other.log.items()}


def test_a_factor_that_is_a_tensor_has_everything_where_it_is():
    scaling = LossScale(torch.tensor(4.0, device="meta"))
    assert {t.device.type for t in (scaling.overflow, *scaling.state_dict().values())} == {"meta"}


def test_sparse_gradients_are_unscaled_too():
    def stepped(scaling):
        torch.manual_seed(0)
        model = Texts(sparse=True).double()
        method_for("dropattack", model, task={"scaling": scaling}).step(model, model.batch(), standing(model))
        return model.embed.weight.grad.to_dense()

    assert torch.equal(stepped(None), stepped(LossScale(64.0)))


@every_method
def test_several_batches_of_an_update_change_no_bit_either(name):
    def stepped(scaling):
        model = make(Images)
        method = method_for(name, model, task={"scaling": scaling})
        if not method.accumulates(method.settings):
            pytest.skip("it makes its own updates")
        torch.manual_seed(1)
        method.step_on(model, [model.batch(), model.batch(3)], torch.optim.Adam(model.parameters()))
        return parameters_of(model)

    plain, scaled = stepped(None), stepped(LossScale())
    assert all(torch.equal(value, scaled[key]) for key, value in plain.items())


@every_method
@every_toy
def test_a_step_in_float16_is_near_the_one_in_float32(name, toy):
    """In the direction and the length of all that the optimizer's steps move, one update each."""
    moves = []
    for dtype, scaling in ((None, None), (torch.float16, LossScale(1024.0))):
        model = make(toy).float()
        start = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
        method = method_for(name, model, task={"autocast": dtype, "scaling": scaling, "clip_norm": 10.0})
        inputs, labels = model.batch(16)
        inputs = inputs.float() if isinstance(inputs, torch.Tensor) else inputs
        seen = []
        model.fc.register_forward_hook(lambda _, __, outputs, seen=seen: seen.append(outputs.dtype))
        logs = method.step(model, (inputs, labels), torch.optim.SGD(model.parameters(), lr=0.1)).log
        assert set(seen) == {dtype or torch.float32}
        assert logs["skipped_updates"] == 0
        moves.append(torch.cat([p.detach().flatten() for p in model.parameters()]) - start)
    exact, rounded = moves
    assert (rounded - exact).norm() <= 0.05 * exact.norm()


@pytest.mark.parametrize("name", ["standard", "dropattack", "sam", "dropen"])
def test_gradients_too_small_for_float16_arrive_where_they_are_scaled(name):
    """A loss of 1e-6 has gradients below float16's smallest number, 6e-8, which becomes 0."""

    def tiny(outputs, labels):
        return 1e-6 * F.cross_entropy(outputs, labels)

    lengths = []
    for dtype, factor in ((None, 1.0), (torch.float16, 2.0**20), (torch.float16, 1.0)):
        model = make(Images).float()
        task = {"autocast": dtype, "scaling": LossScale(factor), "loss": tiny}
        images, labels = model.batch(16)
        method_for(name, model, task=task).step(model, (images.float(), labels), standing(model))
        lengths.append(float(torch.cat([p.grad.flatten() for p in model.parameters()]).norm()))
    exact, scaled, unscaled = lengths
    assert scaled == pytest.approx(exact, rel=0.05)
    assert abs(unscaled - exact) > 0.2 * exact


def overflowing(scaling, name="standard", toy=Normalised):
    model = make(toy).float()
    images, labels = model.batch(16)
    method = method_for(name, model, task={"autocast": torch.float16, "scaling": scaling})
    optimizer = torch.optim.Adam(model.parameters())
    return model, optimizer, lambda: method.step(model, (images.float(), labels), optimizer)


@every_method
def test_an_overflow_leaves_the_update_out_and_halves_the_factor_until_one_fits(name):
    scaling = LossScale(2.0**40)
    model, optimizer, step = overflowing(scaling, name)
    before = copy.deepcopy(model.state_dict())
    factors = [float(scaling.factor)]
    while True:
        left_out = float(step().log["skipped_updates"])
        factors.append(float(scaling.factor))
        if not left_out:
            break
        assert factors[-1] < factors[-2]
        assert len(factors) < 50
        if name != "freeat":
            assert not optimizer.state
            held = model.state_dict().items()
            assert all(torch.equal(value, before[key]) for key, value in held)
    assert factors[-1] < 2.0**40
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert any(not torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_one_overflow_in_an_attack_is_enough():
    """The clean pass of float16 fits, and its gradient is finite: the attack's direction does not."""

    def loss(outputs, labels):
        losses.append(F.cross_entropy(outputs, labels) * (2.0**130 if len(losses) == 0 else 1.0))
        return losses[-1]

    losses: list[torch.Tensor] = []
    model = make(Images).float()
    images, labels = model.batch()
    scaling = LossScale(4.0)
    method = method_for("fgsm", model, task={"loss": loss, "scaling": scaling}, clean=False)
    start = parameters_of(model)
    result = method.step(model, (images.float(), labels), torch.optim.SGD(model.parameters(), lr=0.1))
    assert result.log["skipped_updates"] == 1
    assert float(scaling.factor) == 2.0
    assert all(torch.equal(value, start[key]) for key, value in parameters_of(model).items())


def test_the_factor_goes_as_that_of_gradscaler():
    """Of a model that overflows now and then, factor for factor, and parameter for parameter."""
    sizes = [1.0, 1e37, 1.0, 1.0, 1.0, 1e38, 1e38, 1.0, 1.0, 1.0, 1.0, 1e36]
    mine, theirs = (nn.Linear(3, 2) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    inputs, labels = torch.randn(8, 3), torch.arange(8) % 2
    options = {"growth": 3.0, "backoff": 0.25, "interval": 3}
    scaling = LossScale(2.0**12, **options)
    reference = torch.amp.GradScaler(
        "cpu", init_scale=2.0**12, growth_factor=3.0, backoff_factor=0.25, growth_interval=3
    )
    size = [1.0]
    task = Task(loss=lambda outputs, labels: F.cross_entropy(outputs, labels) * size[0], scaling=scaling)
    method = dropattack.create("standard", task=task)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9) for model in (mine, theirs)]
    for size[0] in sizes:
        method.step(mine, (inputs, labels), optimizers[0])
        optimizers[1].zero_grad()
        reference.scale(task.loss(theirs(inputs), labels)).backward()
        reference.step(optimizers[1])
        reference.update()
        assert float(scaling.factor) == reference.get_scale()
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("factor", [2.0**16, 2.0**40])
def test_plain_training_in_float16_is_that_with_gradscaler(factor):
    """Bit for bit, with the updates that either leaves out."""
    mine, theirs = (make(Images).float() for _ in range(2))
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9) for model in (mine, theirs)]
    reference = torch.amp.GradScaler("cpu", init_scale=factor, growth_interval=4)
    scaling = LossScale(factor, interval=4)
    method = method_for("standard", mine, task={"autocast": torch.float16, "scaling": scaling})
    left_out = 0.0
    for _ in range(40):
        images, labels = mine.batch(8)
        left_out += float(method.step(mine, (images.float(), labels), optimizers[0]).log["skipped_updates"])
        optimizers[1].zero_grad()
        with torch.autocast("cpu", torch.float16, cache_enabled=False):
            loss = F.cross_entropy(theirs(images.float()), labels)
        reference.scale(loss).backward()
        reference.step(optimizers[1])
        reference.update()
        assert float(scaling.factor) == reference.get_scale()
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)
    assert left_out > 0


def test_the_factor_grows_after_clean_updates_in_a_row_alone():
    scaling = LossScale(8.0, interval=3)
    factors = []
    for left_out in (0, 0, 1, 0, 0, 0, 0, 0, 0):
        scaling.update(torch.tensor(float(left_out)))
        factors.append(float(scaling.factor))
    assert factors == [8, 8, 4, 4, 4, 8, 8, 8, 16]


def test_a_state_that_is_taken_back_goes_on_as_before():
    one, other = LossScale(8.0, interval=3), LossScale(interval=3)
    one.update(torch.zeros(()))
    one.update(torch.zeros(()))
    state = one.state_dict()
    one.update(torch.zeros(()))
    other.load_state_dict(state)
    assert float(other.factor) == 8
    other.update(torch.zeros(()))
    assert float(other.factor) == float(one.factor) == 16
    assert float(state["factor"]) == 8, "what was given does not change"
    assert math.isclose(float(other.overflow), 0)
