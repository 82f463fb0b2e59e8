"""DropAttack against a formulation of its own equations, without in-place edits, hooks or rows."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing

READINGS = [
    {},
    {"k": 3},
    {"k": 3, "step_mode": "accumulate"},
    {"k": 3, "direction": "last"},
    {"k": 2, "clean_weight": 0},
    {"k": 2, "clean_weight": 2, "combine": "mean"},
    {"clean_weight": 0, "combine": "mean"},
    {"k": 2, "norm": "sample"},
    {"k": 2, "norm": "row"},
    {"k": 2, "norm": "joint", "grouping": "joint"},
    {"k": 2, "grouping": "per-target"},
    {"k": 2, "grouping": "joint"},
    {"k": 2, "epsilon_scale": "relative", "epsilon": 0.3},
    {"epsilon_scale": "relative", "norm": "joint", "epsilon": 0.3},
    {"epsilon_scale": "relative", "norm": "row", "epsilon": 0.3},
    {"control": "p-one", "p": 0.4},
    {"control": "p-one", "p": 0.4, "rescale": True},
    {"control": "p-one-norm", "p": 0.4, "k": 2},
    {"control": "p-one-norm", "p": 0.4, "rescale": True},
    {"control": "p-one", "p": 0.4, "input_ratio": 0.2, "grouping": "per-target"},
    {"input_ratio": 0.1, "epsilon_scale": "relative", "k": 2, "grouping": "joint", "norm": "joint"},
    {"rescale": True},
    {"text_input": "tokens", "k": 2},
    {"text_input": "tokens", "norm": "sample", "k": 3},
]


def length(tensor, name, settings, batched):
    """Norm of one tensor in the scope asked for."""
    by_row = settings.norm == "row" and (batched or tensor.dim() > 1)
    if by_row or (settings.norm == "sample" and batched):
        return tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.dim() - 1))
    return tensor.norm()


def perturbations(directions, values, settings, batched):
    share = {"p-one": settings.p, "p-one-norm": settings.p**0.5}.get(settings.control, 1)
    epsilon = settings.epsilon * share / (settings.p if settings.rescale and share != 1 else 1)
    found = {}
    for name, direction in directions.items():
        if settings.norm == "joint":
            norm = sum(d.square().sum() for d in directions.values()).sqrt()
            size = sum(v.square().sum() for v in values.values()).sqrt()
        else:
            norm = length(direction, name, settings, name in batched)
            size = length(values[name], name, settings, name in batched)
        size = epsilon * size if settings.epsilon_scale == "relative" else epsilon
        size = size * settings.input_ratio if name == "input" else size
        found[name] = torch.where(norm > 0, size * direction / norm, 0)
    return found


def reference(model, batch, settings):
    """The gradient for the optimizer with all masks one."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    text = isinstance(batch[0], tuple)
    tokens = not text or settings.text_input == "tokens"
    activation = parameters["embed.weight"][batch[0][0]] if text else batch[0]
    batched = {"input"} if tokens else set()
    present = torch.zeros_like(parameters["embed.weight"]) if text else None
    if text:
        present[batch[0][0].unique()] = 1
        present[0] = 0

    def gradients(shifts):
        moved = dict(parameters)
        seen = activation
        for name, shift in shifts.items():
            if name == "input" and tokens:
                seen = activation + shift
            else:
                moved[model.names[name]] = moved[model.names[name]] + shift
        if text and not tokens and "input" in shifts:
            seen = moved["embed.weight"][batch[0][0]]
        return gradient_at(model, batch, moved, seen)

    def own(found, name):
        return found[1] if name == "input" and tokens else found[0][model.names[name]]

    def value(name):
        if name == "input" and tokens:
            return activation
        whole = parameters[model.names[name]]
        return whole * present if name == "input" else whole

    if text and not tokens:
        inner = gradients

        def gradients(shifts):
            found, activation_gradient = inner(shifts)
            rows = torch.zeros_like(parameters["embed.weight"])
            rows.index_add_(0, batch[0][0].flatten(), activation_gradient.flatten(0, 1))
            rows[0] = 0
            return {**found, "embed.weight": rows}, activation_gradient

    clean = gradients({})
    total = {name: settings.clean_weight * g for name, g in with_rows(clean, batch, text).items()}
    for group in settings.groups:
        directions = {name: own(clean, name) for name in group}
        last = None
        for _ in range(settings.k):
            shifts = perturbations(directions, {name: value(name) for name in group}, settings, batched)
            if last is not None and settings.step_mode == "accumulate":
                shifts = {name: shift + last[name] for name, shift in shifts.items()}
            found = gradients(shifts)
            for name, g in with_rows(found, batch, text).items():
                total[name] = total[name] + g / settings.k
            if settings.direction == "last":
                directions = {name: own(found, name) for name in group}
            else:
                directions = {name: d + own(found, name) / settings.k for name, d in directions.items()}
            last = shifts
    scale = settings.clean_weight + len(settings.groups) if settings.combine == "mean" else 1
    return {name: g / scale for name, g in total.items()}


def with_rows(found, batch, text):
    """Parameter gradients, that of the embedding matrix from that of the vectors it gave."""
    gradients, activation_gradient = found
    if not text:
        return gradients
    rows = torch.zeros_like(gradients["embed.weight"])
    rows.index_add_(0, batch[0][0].flatten(), activation_gradient.flatten(0, 1))
    rows[0] = 0
    return {**gradients, "embed.weight": rows}


@pytest.mark.parametrize("toy", [Images, Texts])
@pytest.mark.parametrize("targets", ["input", "hidden", "input+hidden+bias"])
@pytest.mark.parametrize(
    "reading", READINGS, ids=lambda r: ",".join(f"{k}={v}" for k, v in r.items()) or "paper"
)
def test_gradient_equals_an_independent_formulation(toy, targets, reading):
    model = make(toy)
    batch = model.batch()
    values = {"targets": targets, "epsilon": 0.7, "p": 1.0, "k": 1} | reading
    method = method_for("dropattack", model, **values)
    method.step(model, batch, standing(model))
    expected = reference(model, batch, method.settings)
    for name, parameter in model.named_parameters():
        assert close(parameter.grad, expected[name], 1e-9), name


@pytest.mark.parametrize("toy", [Images, Texts])
@pytest.mark.parametrize("k", [1, 3])
def test_masked_perturbations_are_parts_of_the_whole_one(toy, k):
    model = make(toy)
    batch = model.batch()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    points = Points().follow(model)
    method_for("dropattack", model, targets="hidden", epsilon=0.7, p=0.5, k=k).step(
        model, batch, standing(model)
    )
    name = model.names["hidden"]
    direction = gradient_at(model, batch, start)[0][name]
    masks = []
    for t in range(1, k + 1):
        whole = 0.7 * direction / direction.norm()
        moved = points.parameters[t][name] - start[name]
        mask = (moved.abs() > whole.abs() / 2).double()
        assert close(moved, whole * mask, 1e-6)
        masks.append(mask)
        direction = direction + gradient_at(model, batch, points.parameters[t])[0][name] / k
    assert 0 < masks[0].mean() < 1
    assert all(torch.equal(masks[0], mask) for mask in masks)


def test_only_the_group_under_attack_is_perturbed():
    model = make(Images)
    batch = model.batch()
    points = Points().follow(model)
    start = model.conv.weight.detach().clone()
    method_for("dropattack", model, targets="input+hidden", k=1).step(model, batch, standing(model))
    moved_input = [not torch.equal(seen, batch[0]) for seen in points.activations]
    moved_weight = [not torch.equal(seen["conv.weight"], start) for seen in points.parameters]
    assert moved_input == [False, True, False]
    assert moved_weight == [False, False, True]


class Counting(TorchDispatchMode):
    """Adds up the elements that named operations produce."""

    def __init__(self, *names):
        super().__init__()
        self.names = names
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ in self.names:
            self.elements += result.numel()
        return result


def test_work_on_an_embedding_does_not_grow_with_the_vocabulary():
    counts = []
    names = ("rand", "clone", "index_select", "mul", "mul_", "linalg_vector_norm", "masked_fill_")
    for vocabulary in (40, 4000):
        model = make(Texts, vocabulary=vocabulary)
        batch = make(Texts).batch()
        model.embed.weight.requires_grad_(True)
        method = method_for("dropattack", model, targets="input", k=2)
        method.update = lambda model, optimizer: torch.zeros(())
        with Counting(*names) as counting:
            method.step(model, batch, standing(model))
        counts.append(counting.elements)
    assert counts[0] == counts[1]


def test_no_more_than_the_attacked_tensors_is_cloned():
    model = make(Images)
    batch = model.batch()
    with Counting("clone") as counting:
        method_for("dropattack", model, targets="input+hidden", k=1).step(model, batch, standing(model))
    assert counting.elements <= model.conv.weight.numel()


def test_eps_zero_runs_every_pass_on_the_clean_point():
    model = make(Images)
    batch = model.batch()
    points = Points().follow(model)
    method = method_for("dropattack", model, control="eps-zero", k=2)
    method.step(model, batch, standing(model))
    assert len(points.parameters) == method.settings.passes == 5
    assert all(torch.equal(seen, batch[0]) for seen in points.activations)
    clean = gradient_at(model, batch, points.parameters[0])[0]
    for name, parameter in model.named_parameters():
        assert close(parameter.grad, 3 * clean[name])


@pytest.mark.parametrize("values", [{"p": 0.0}, {"control": "equal-passes"}])
def test_plain_settings_are_standard_training(values):
    model, other = make(Images), make(Images)
    batch = model.batch()
    for name, trained, given in (("dropattack", model, values), ("standard", other, {})):
        method_for(name, trained, **given).step(trained, batch, torch.optim.Adam(trained.parameters()))
    for left, right in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("statistics", ["frozen", "updated"])
def test_running_statistics_in_attacked_passes(statistics):
    model = make(Images)
    model.conv = nn.Sequential(model.conv, nn.BatchNorm2d(3)).double()
    batch = model.batch()
    method_for("dropattack", model, targets="input", batch_norm=statistics).step(
        model, batch, standing(model)
    )
    clean = model.conv[0](batch[0]).mean((0, 2, 3))
    only_clean = torch.allclose(model.conv[1].running_mean, 0.1 * clean)
    assert only_clean == (statistics == "frozen")
    assert model.conv[1].track_running_stats


def test_relative_size_is_logged():
    model = make(Images)
    result = method_for("dropattack", model, targets="hidden", p=1.0, k=1, epsilon=0.7).step(
        model, model.batch(), standing(model)
    )
    assert result.log["relative_size"].item() == pytest.approx(0.7 / model.conv.weight.norm().item())
