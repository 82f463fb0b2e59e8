"""What each registered method computes in its passes: against tables by hand and functional gradients."""

import itertools
import weakref

import pytest
import torch
import torch.nn.functional as F

import dropattack
from dropattack.testing.methods.models import Tied, parameters_of
from tests.dropattack.toys import (
    APART,
    GRAPHS,
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


def passes_of(name):
    return APART.get(name) or len(WEIGHTS[name])


every_method = pytest.mark.parametrize("name", NAMES)
every_toy = pytest.mark.parametrize("toy", [Images, Texts])


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(TWICE) - set(APART)))
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
def test_passes_and_losses_are_those_of_the_table(name, toy):
    model = make(toy)
    losses, forwards, backwards = [], [], []

    def loss(outputs, labels):
        losses.append(len(outputs))
        return F.cross_entropy(outputs, labels)

    def follow(_, __, outputs):
        if outputs.requires_grad:
            forwards.append(len(outputs))
            outputs.register_hook(lambda gradient: backwards.append(len(gradient)))

    model.register_forward_hook(follow)
    method = method_for(name, model, task={"loss": loss})
    size = 4
    method.step(model, model.batch(size), standing(model))
    assert len(losses) == passes_of(name)
    assert sum(backwards) == method.settings.passes * size
    assert sum(forwards) * TWICE.get(name, 1) == sum(backwards)
    assert method.second_order == (name in TWICE)


@every_method
@every_toy
def test_one_graph_is_alive_at_a_time_but_where_two_predictions_are_differentiated(name, toy):
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
    assert [count > 0 for count in found] == GRAPHS.get(name, [0] * passes_of(name))


@every_method
@every_toy
def test_those_that_draw_depend_on_the_seed_and_no_others(name, toy):
    def trained(seed, rate=0.5):
        model = make(toy)
        method = method_for(name, model, seed, **({"rate": rate} if name == "dropout" else {}))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            method.step(model, model.batch(), optimizer)
        return parameters_of(model)

    one, other = trained(1), trained(2)
    random = name in RANDOM
    assert all(torch.equal(one[key], other[key]) for key in one) != random


RANDOM = {"apb", "dropattack", "dropout", "esam-swp", "freelb", "rwp", "fgsm-rs", "n-fgsm", "trades", "vat"}
NOISY = {
    "dropattack": {"control": "random-direction"},
    "esam-swp": {},
    "fgsm-rs": {},
    "freelb": {},
    "n-fgsm": {},
    "pgd": {"random_start": True, "clean": False},
    "rwp": {"clean_weight": 0},
}


@pytest.mark.parametrize("name", NOISY)
@every_toy
def test_noise_is_new_in_every_step(name, toy):
    """Also where a method draws inside a pass."""
    model = make(toy)
    points = Points().follow(model)
    method = method_for(name, model, **NOISY[name])
    batch = model.batch()
    for _ in range(3):
        method.step(model, batch, standing(model))
    count = len(points.activations) // 3
    visited = [
        torch.cat([points.activations[i].flatten(), *(p.flatten() for p in points.parameters[i].values())])
        for i in range(count - 1, 3 * count, count)
    ]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(visited, 2))


@every_method
@every_toy
def test_those_that_say_so_keep_state(name, toy):
    model = make(toy)
    method = method_for(name, model)
    method.step(model, model.batch(), standing(model))
    assert bool(method.state_dict()) == bool(method.state)


@every_method
@every_toy
def test_zero_gradients_give_no_direction(name, toy):
    model = make(toy)
    method = method_for(name, model, task={"loss": lambda outputs, _: (outputs * 0).sum()})
    start = parameters_of(model)
    result = method.step(model, model.batch(), torch.optim.SGD(model.parameters(), lr=0.1))
    now = parameters_of(model)
    assert all(torch.equal(now[key], start[key]) for key in start) or name in {"l1", "l2", *APART}
    directed = {"asam", "awp", "dropattack", "esam-swp", "fgm", "freelb", "pgd", "sam"}
    assert ("skipped" in result.log and result.log["skipped"] > 0) == (name in directed)


def test_sam_moves_tied_weights_along_their_whole_gradient():
    model = make(Tied)
    start = parameters_of(model)
    points = Points().follow(model)
    batch = model.batch()
    method_for("sam", model).step(model, batch, standing(model))
    whole = torch.cat([g.flatten() for g in gradient_at(model, batch, start)[0].values()])
    moved = points.parameters[1]["embed.weight"] - start["embed.weight"]
    expected = torch.autograd.functional.jacobian(
        lambda weight: F.cross_entropy(
            torch.func.functional_call(model, {**start, "embed.weight": weight}, batch[0]), batch[1]
        ),
        start["embed.weight"],
    )
    assert whole.isfinite().all()
    assert close(moved / moved.norm(), expected / expected.norm())
