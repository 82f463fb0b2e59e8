"""What every registered method keeps to, whatever it does."""

import copy
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropattack
from tests.dropattack.toys import (
    HYPERPARAMETERS,
    TWICE,
    WEIGHTS,
    Images,
    Points,
    Texts,
    close,
    gradient_at,
    make,
    method_for,
    standing,
)

NAMES = sorted(dropattack.registered())
every_method = pytest.mark.parametrize("name", NAMES)
every_toy = pytest.mark.parametrize("toy", [Images, Texts])


def parameters_of(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(left, right, but=()):
    return all(torch.equal(left[name], right[name]) for name in left if name not in but)


@pytest.mark.parametrize("name", sorted(set(NAMES) - TWICE))
@every_toy
def test_gradient_is_the_weighted_sum_of_functional_gradients_at_the_points_visited(name, toy):
    model = make(toy)
    batch = model.batch()
    start = parameters_of(model)
    points = Points().follow(model)
    method_for(name, model).step(model, batch, standing(model))
    assert len(points.parameters) == len(WEIGHTS[name])
    expected = {key: torch.zeros_like(value) for key, value in start.items()}
    for weight, parameters, activation in zip(
        WEIGHTS[name], points.parameters, points.activations, strict=True
    ):
        for key, value in gradient_at(model, batch, parameters, activation)[0].items():
            expected[key] += weight * value
    strength = HYPERPARAMETERS.get(name, {}).get("strength", 0)
    for key, value in start.items():
        expected[key] += strength * {"l1": value.sign(), "l2": 2 * value}.get(name, 0)
        assert close(dict(model.named_parameters())[key].grad, expected[key]), key


@every_method
@every_toy
def test_parameters_are_restored_bit_for_bit_but_those_that_the_method_owns(name, toy):
    model = make(toy)
    start = parameters_of(model)
    method = method_for(name, model)
    for _ in range(2):
        method.step(model, model.batch(), standing(model))
    owned = method.owns(model)
    assert same(start, parameters_of(model), but=owned)
    assert all(p is dict(model.named_parameters())[key] for key, p in owned.items())
    assert not any(torch.equal(p, start[key]) for key, p in owned.items())
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


@every_method
@every_toy
def test_parameters_are_restored_after_an_error_in_any_pass(name, toy):
    model = make(toy)
    start = parameters_of(model)
    for failing in range(len(WEIGHTS[name])):
        done = []

        def loss(outputs, labels, done=done, failing=failing):
            if len(done) == failing:
                raise RuntimeError("out of memory")
            done.append(1)
            return F.cross_entropy(outputs, labels)

        method = method_for(name, model, task={"loss": loss})
        with pytest.raises(RuntimeError, match="out of memory"):
            method.step(model, model.batch(), standing(model))
        assert same(start, parameters_of(model))
        assert not any(module._forward_pre_hooks for module in model.modules())


@every_method
@every_toy
def test_the_optimizer_leaves_alone_what_the_method_owns(name, toy):
    model = make(toy)
    method = method_for(name, model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    method.step(model, model.batch(), optimizer)
    held = {id(parameter) for parameter in optimizer.state}
    owned = method.owns(model)
    for key, parameter in model.named_parameters():
        assert (id(parameter) in held) == (key not in owned)


@every_method
@every_toy
def test_passes_are_as_many_as_declared(name, toy):
    model = make(toy)
    forwards, backwards = [], []

    def follow(_, __, outputs):
        forwards.append(len(outputs))
        outputs.register_hook(lambda gradient: backwards.append(len(gradient)))

    model.register_forward_hook(follow)
    method = method_for(name, model)
    size = 4
    method.step(model, model.batch(size), standing(model))
    assert sum(backwards) == method.settings.passes * size
    assert sum(forwards) * (2 if name in TWICE else 1) == sum(backwards)


@every_method
@every_toy
def test_one_graph_is_alive_at_a_time(name, toy):
    model = make(toy)
    alive: weakref.WeakSet = weakref.WeakSet()
    found = []

    class Saved:
        def __init__(self, tensor):
            self.tensor = tensor

    def pack(tensor):
        saved = Saved(tensor.detach())
        alive.add(saved)
        return saved

    model.register_forward_pre_hook(lambda *_: found.append(len(alive)))
    method = method_for(name, model)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        method.step(model, model.batch(), standing(model))
    assert found == [0] * len(WEIGHTS[name])


@every_method
@every_toy
def test_a_seed_decides_everything(name, toy):
    def trained(seed, rate=0.5):
        model = make(toy)
        method = method_for(name, model, seed, **({"rate": rate} if name == "dropout" else {}))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            method.step(model, model.batch(), optimizer)
        return parameters_of(model)

    assert same(trained(1), trained(1))
    random = name in {"apb", "dropattack", "dropout", "esam-swp", "freelb", "rwp"}
    assert same(trained(1), trained(2)) != random


@every_method
@every_toy
def test_the_fused_optimizer_takes_the_same_step(name, toy):
    """It reads gradients by their place in memory, so each must be laid out as its parameter is."""
    trained = []
    for fused in (False, True):
        model = make(toy)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=fused)
        method_for(name, model).step(model, model.batch(), optimizer)
        trained.append(parameters_of(model))
    for parameter in trained[0]:
        assert close(trained[0][parameter], trained[1][parameter]), parameter


@every_method
@every_toy
def test_state_round_trips(name, toy):
    model = make(toy)
    method = method_for(name, model)
    batches = [model.batch(size) for size in (5, 4, 5)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch in batches[:2]:
        method.step(model, batch, optimizer)
    other = copy.deepcopy(model)
    resumed = method_for(name, other)
    resumed.load_state_dict(method.state_dict())
    resumed.task.generator.set_state(method.task.generator.get_state())
    method.step(model, batches[2], optimizer)
    resumed.step(other, batches[2], torch.optim.SGD(other.parameters(), lr=0.1))
    assert same(parameters_of(model), parameters_of(other))
    assert bool(resumed.state_dict()) == bool(method.state)


@every_method
@every_toy
@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_never_reach_the_parameters(name, toy, factor):
    model = make(toy)
    start = parameters_of(model)
    method = method_for(name, model, task={"loss": lambda outputs, _: (outputs * factor).sum()})
    result = method.step(model, model.batch(), torch.optim.SGD(model.parameters(), lr=0.1))
    assert same(start, parameters_of(model))
    assert result.log["skipped_updates"] == 1
    assert result.log.get("skipped", torch.tensor(1.0)) > 0.5


@every_method
@every_toy
def test_zero_gradients_do_no_harm(name, toy):
    model = make(toy)
    method = method_for(name, model, task={"loss": lambda outputs, _: (outputs * 0).sum()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = parameters_of(model)
    result = method.step(model, model.batch(), optimizer)
    assert same(start, parameters_of(model)) or name in {"l1", "l2"}
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert result.log["skipped_updates"] == 0
    directed = {"asam", "awp", "dropattack", "esam-swp", "fgm", "freelb", "pgd", "sam"}
    assert ("skipped" in result.log and result.log["skipped"] > 0) == (name in directed)


@every_method
@every_toy
def test_frozen_parameters_stay_and_get_no_gradient(name, toy):
    model = make(toy)
    model.fc.weight.requires_grad_(False)
    frozen = model.fc.weight.detach().clone()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    method_for(name, model).step(model, model.batch(), optimizer)
    assert torch.equal(model.fc.weight, frozen)
    assert model.fc.weight.grad is None


@every_method
def test_tied_parameters_stay_tied_and_are_restored(name):
    class Tied(Texts):
        def __init__(self):
            super().__init__()
            self.narrow = nn.Linear(5, 6)
            self.fc = nn.Linear(6, self.embed.num_embeddings, bias=False)
            self.fc.weight = self.embed.weight

        def forward(self, ids, lengths, shift=0.0):
            vectors = self.seen(self.embed(ids) + shift)
            return self.fc(self.narrow(self.rnn(vectors)[0][:, -1]))

    model = make(Tied)
    start = parameters_of(model)
    points = Points().follow(model)
    batch = model.batch()
    method = method_for(name, model)
    method.step(model, batch, standing(model))
    assert model.fc.weight is model.embed.weight
    assert same(start, parameters_of(model), but=method.owns(model))
    if name == "sam":
        gradient = gradient_at(model, batch, start)[0]
        whole = torch.cat([g.flatten() for g in gradient.values()])
        moved = points.parameters[1]["embed.weight"] - start["embed.weight"]
        expected = torch.autograd.functional.jacobian(
            lambda weight: F.cross_entropy(
                torch.func.functional_call(model, {**start, "embed.weight": weight}, batch[0]), batch[1]
            ),
            start["embed.weight"],
        )
        assert whole.isfinite().all()
        assert close(moved / moved.norm(), expected / expected.norm())


@every_method
def test_sparse_gradients(name):
    dense, sparse = make(Texts), make(Texts, sparse=True)
    sparse.load_state_dict(dense.state_dict())
    batch = dense.batch()
    for model in (dense, sparse):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        method_for(name, model, task={"clip_norm": 0.5}).step(model, batch, optimizer)
    for left, right in zip(dense.parameters(), sparse.parameters(), strict=True):
        assert close(left.detach(), right.detach())


@every_method
def test_non_contiguous_inputs(name):
    one, other = make(Images), make(Images)
    images, labels = one.batch()
    strided = torch.stack([images, images], dim=-1)[..., 0]
    assert not strided.is_contiguous()
    for model, inputs in ((one, images), (other, strided)):
        method_for(name, model).step(model, (inputs, labels), torch.optim.SGD(model.parameters(), lr=0.1))
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert close(left.detach(), right.detach())


@every_method
@every_toy
def test_clipping_bounds_the_whole_gradient(name, toy):
    model = make(toy)
    method_for(name, model, task={"clip_norm": 1e-3}).step(model, model.batch(), standing(model))
    total = torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()
    assert total == pytest.approx(1e-3, rel=1e-2)


@every_method
@every_toy
def test_mixed_precision(name, toy):
    model = make(toy).float()
    inputs, labels = model.batch()
    inputs = inputs.float() if toy is Images else inputs
    method = method_for(name, model, task={"autocast": torch.bfloat16, "clip_norm": 1.0})
    seen = []
    model.fc.register_forward_hook(lambda _, __, outputs: seen.append(outputs.dtype))
    method.step(model, (inputs, labels), torch.optim.Adam(model.parameters()))
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@every_method
@every_toy
def test_on_a_gpu(name, toy):
    model = make(toy).float().cuda()
    inputs, labels = model.batch()
    inputs = inputs.float().cuda() if toy is Images else (inputs[0].cuda(), inputs[1])
    start = parameters_of(model)
    task = {"generator": torch.Generator("cuda").manual_seed(0), "autocast": torch.bfloat16}
    method = method_for(name, model, task=task)
    method.step(model, (inputs, labels.cuda()), standing(model))
    assert same(start, parameters_of(model), but=method.owns(model))


@every_method
def test_declarations_are_complete(name):
    method = dropattack.method_named(name)
    assert method.name == name
    assert method.summary.endswith(".")
    assert method.source.endswith(".")
    settings = method.settings_type()
    for key, allowed in settings.ranges().items():
        assert allowed.doc.endswith("."), key
    assert settings == method.settings_type.from_dict(settings.to_dict())
    assert settings.passes >= 1
    assert settings.rounds == 1
