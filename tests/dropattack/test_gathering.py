"""A step's gradient that is handed over: into every ``.grad``, or inside of a loss."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dropattack
from dropattack import LossScale, StepResult, Task, UsageError
from tests.dropattack.toys import HYPERPARAMETERS, Images, Texts, make, method_for
from tests.pretended import AWAY, pretended

OWN_UPDATES = {"apb", "freeat"}
METHODS = sorted(set(dropattack.registered()) - OWN_UPDATES)
Take = Callable[[Any, nn.Module, Any, float], StepResult]


def deferred(method: Any, model: nn.Module, batch: Any, share: float) -> StepResult:
    seen: StepResult = method.deferred(model, batch)
    (seen.loss * share).backward()
    return seen


def accumulated(method: Any, model: nn.Module, batch: Any, share: float) -> StepResult:
    seen: StepResult = method.accumulate(model, batch, share)
    return seen


WAYS = [accumulated, deferred]


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.to_dense().clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_sum(model: nn.Module, parts: list[dict[str, Tensor]], share: float) -> None:
    found = gradients(model)
    assert found.keys() == parts[0].keys()
    for name, value in found.items():
        expected = sum((part[name] for part in parts[1:]), parts[0][name]) * share
        error = (value - expected).norm()
        assert error <= 1e-12 * expected.norm().clamp(min=1e-12), name


@pytest.mark.parametrize("take", WAYS)
@pytest.mark.parametrize("kind", [Images, Texts])
@pytest.mark.parametrize("name", METHODS)
def test_micro_batches_add_up(name: str, kind: Any, take: Take) -> None:
    """Expected: one step after the other of an optimizer that moves nothing."""
    model, alone = make(kind), make(kind)
    batches = [model.batch(size) for size in (4, 5, 3)]
    method, other = method_for(name, model), method_for(name, alone)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    parts, losses = [], []
    for batch in batches:
        optimizer = torch.optim.SGD(alone.parameters(), lr=0.0)
        losses.append(other.step(alone, batch, optimizer).loss)
        parts.append(gradients(alone))
    for batch, loss in zip(batches, losses, strict=True):
        torch.testing.assert_close(take(method, model, batch, 1 / 3).loss.detach(), loss)
    assert_sum(model, parts, 1 / 3)
    assert all(torch.equal(start[n], p) for n, p in model.named_parameters())
    assert method.steps == 3


@pytest.mark.parametrize("take", WAYS)
def test_gradients_of_before_stay(take: Take) -> None:
    model = make(Texts, sparse=True)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = gradients(model)
    batch = model.batch()
    take(method_for("sam", model), model, batch, 1.0)
    alone = make(Texts, sparse=True)
    method_for("sam", alone).step(alone, batch, torch.optim.SGD(alone.parameters(), lr=0.0))
    assert_sum(model, [before, gradients(alone)], 1.0)


@pytest.mark.parametrize("name", ["fgm", "dropattack"])
def test_an_error_in_a_pass_leaves_the_gradients_of_before(name: str) -> None:
    model = make(Images)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    calls: list[int] = []

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("broken")
        return nn.functional.cross_entropy(outputs, labels)

    with pytest.raises(RuntimeError, match="broken"):
        method_for(name, model, task={"loss": loss}).accumulate(model, model.batch())
    assert all(p.grad is not None and p.grad.eq(1).all() for p in model.parameters())


@pytest.mark.parametrize("take", WAYS)
@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("freeat", {}),
        ("apb", {}),
        ("standard", {"rounds": 2, "updates": "same"}),
        ("dropattack", {"control": "same-updates"}),
    ],
)
def test_methods_that_make_their_own_updates_refuse(
    name: str, hyperparameters: dict[str, Any], take: Take
) -> None:
    model = make(Images)
    method = dropattack.create(name, **hyperparameters)
    with pytest.raises(UsageError, match="makes its own updates and cannot leave them to another loop"):
        take(method, model, model.batch(), 1.0)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("task", "words"), [({"clip_norm": 1.0}, "clip_norm"), ({"scaling": LossScale()}, "GradScaler")]
)
def test_what_belongs_to_the_update_is_the_callers(task: dict[str, Any], words: str) -> None:
    model = make(Images)
    with pytest.raises(UsageError, match=words) as caught:
        dropattack.create("fgm", task=Task(**task)).accumulate(model, model.batch())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [{"control": "equal-passes"}, {"p": 0}])
@pytest.mark.parametrize("take", WAYS)
def test_a_control_without_an_attack_is_standard_training(take: Take, values: dict[str, Any]) -> None:
    model, plain = make(Images), make(Images)
    batch = model.batch()
    control = dropattack.create("dropattack", targets="input+fc.weight", **values)
    take(control, model, batch, 1.0)
    take(dropattack.create("standard"), plain, batch, 1.0)
    assert_sum(model, [gradients(plain)], 1.0)
    assert control.steps == 1


def test_a_plain_step_of_an_interval_is_plain() -> None:
    model = make(Images)
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    method = dropattack.create("fgm", interval=2)
    for _ in range(4):
        method.accumulate(model, model.batch())
    assert len(calls) == 2 + 1 + 2 + 1


def scaled(method: Any, model: nn.Module, batch: Any, scaler: torch.amp.GradScaler, take: str) -> None:
    scale = scaler.scale(torch.ones(()))
    if take == "accumulate":
        method.accumulate(model, batch, scale)
    else:
        scaler.scale(method.deferred(model, batch, scale).loss).backward()


@pytest.mark.parametrize("take", ["accumulate", "deferred"])
@pytest.mark.parametrize("name", METHODS)
def test_attacks_do_not_see_the_scale(name: str, take: str) -> None:
    """In float64 with a factor that is a power of two, the gradient is the same but for the factor."""
    model, alone = make(Images), make(Images)
    batch = model.batch()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    scaled(method_for(name, model), model, batch, scaler, take)
    method_for(name, alone).accumulate(alone, batch)
    assert_sum(model, [gradients(alone)], 2.0**10)


@pytest.mark.parametrize("take", ["accumulate", "deferred"])
@pytest.mark.parametrize("name", ["standard", "fgm", "sam", "dropattack"])
def test_gradscaler_leaves_an_overflow_out_and_recovers(name: str, take: str) -> None:
    """The factor is so large that the first passes overflow in float16; halved, they do not."""
    model = make(Images).float()
    images, labels = model.batch()
    batch = images.float(), labels
    task = {"autocast": torch.float16, "loss": lambda out, y: nn.functional.cross_entropy(out.float(), y)}
    method = method_for(name, model, task=task)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-30)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    moved = []
    for _ in range(2):
        optimizer.zero_grad()
        scaled(method, model, batch, scaler, take)
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        moved.append(any(not torch.equal(start[n], p) for n, p in model.named_parameters()))
        assert all(p.isfinite().all() for p in model.parameters())
    assert moved == [False, True]
    assert scaler.get_scale() == 2.0**10


def test_an_overflow_of_an_attack_alone_is_seen_too() -> None:
    """The last pass is finite, and the scaler must hear of the one before."""
    model = make(Images).float()
    images, labels = model.batch()
    calls: list[int] = []

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        calls.append(1)
        found = nn.functional.cross_entropy(outputs, y)
        return found * torch.inf if len(calls) == 1 else found

    method = method_for("sam", model, task={"loss": loss})
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    method.accumulate(model, (images.float(), labels), scaler.scale(torch.ones(())))
    assert not any(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_float16_without_a_scale_is_refused() -> None:
    model = make(Images).float()
    with pytest.raises(UsageError, match="scale of a GradScaler"):
        dropattack.create("fgm", task=Task(autocast=torch.float16)).accumulate(model, model.batch())


def test_a_loss_of_many_gradients_is_one_of_a_kind() -> None:
    """Sums and shares of deferred losses give sums and shares of gradients."""
    model = make(Images)
    batches = [model.batch(3), model.batch(4)]
    method = method_for("fgm", model)
    parts = []
    for batch in batches:
        method.accumulate(model, batch)
        parts.append(gradients(model))
        model.zero_grad()
    fresh = method_for("fgm", model)
    losses = [fresh.deferred(model, batch).loss for batch in batches]
    assert all(p.grad is None for p in model.parameters())
    (0.25 * losses[0] + 0.5 * losses[1]).backward()
    found = gradients(model)
    for name, value in found.items():
        torch.testing.assert_close(value, 0.25 * parts[0][name] + 0.5 * parts[1][name])


def test_every_method_is_tried() -> None:
    assert {name for name in dropattack.registered() if name not in METHODS} == OWN_UPDATES
    assert set(HYPERPARAMETERS) <= set(dropattack.registered())


@pytest.mark.parametrize("name", METHODS)
def test_on_a_gpu_nothing_is_mixed_and_the_host_does_not_wait(name: str) -> None:
    here, there = make(Images).float(), make(Images).float()
    images, labels = here.batch()
    method_for(name, here).accumulate(here, (images.float(), labels), torch.tensor(4.0))
    with pretended() as watch:
        there.to(AWAY)
        batch = images.float().to(AWAY), labels.to(AWAY)
        scale = torch.tensor(4.0).to(AWAY)
        generator = torch.Generator(AWAY).manual_seed(11)
        method = method_for(name, there, task={"generator": generator})
        watch.waits.clear()
        method.accumulate(there, batch, scale)
        method.deferred(there, batch, scale).loss.backward()
        waited = dict(watch.waits)
        reached = {n for n, p in there.named_parameters() if p.grad is not None}
    assert not watch.faults
    assert not waited
    assert reached == set(gradients(here))
