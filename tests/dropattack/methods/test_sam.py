"""SAM, ASAM and ESAM against their published rules, written out on named gradients."""

import pytest
import torch

import dropattack
from dropattack.testing.methods.models import Layered, Normalised, parameters_of
from tests.dropattack.methods.oracles import error_after_three_steps, gradients
from tests.dropattack.toys import Images, Points, Texts, close, gradient_at, make, method_for, standing


def moves(name, toy=Images, **values):
    """Start, clean gradient and the shift of every parameter in the last pass."""
    model = make(toy)
    batch = model.batch()
    start = {key: p.detach().clone() for key, p in model.named_parameters()}
    points = Points().follow(model)
    method_for(name, model, **values).step(model, batch, standing(model))
    activation = points.activations[-1] if toy is Images else None
    gradient = gradient_at(model, batch, start, activation)[0]
    return start, gradient, {key: points.parameters[-1][key] - start[key] for key in start}


@pytest.mark.parametrize("toy", [Images, Texts])
def test_sam(toy):
    _, gradient, moved = moves("sam", toy, rho=0.1)
    total = sum(g.square().sum() for g in gradient.values()).sqrt()
    for key, g in gradient.items():
        assert close(moved[key], 0.1 * g / total, 1e-8), key


@pytest.mark.parametrize("toy", [Images, Texts])
def test_asam(toy):
    start, gradient, moved = moves("asam", toy, rho=0.4, eta=0.02)
    scale = {key: w.abs() + 0.02 for key, w in start.items()}
    total = sum((scale[key] * g).square().sum() for key, g in gradient.items()).sqrt()
    for key, g in gradient.items():
        assert close(moved[key], 0.4 * scale[key] ** 2 * g / total, 1e-8), key


def test_esam_masks_sams_perturbation_and_divides_by_beta():
    _, gradient, moved = moves("esam-swp", rho=0.1, beta=0.6)
    total = sum(g.square().sum() for g in gradient.values()).sqrt()
    attacked = 0
    for key, g in gradient.items():
        whole = 0.1 * g / total / 0.6
        mask = moved[key].abs() > whole.abs() / 2
        attacked += mask.sum().item()
        assert close(moved[key], whole * mask, 1e-8), key
    count = sum(g.numel() for g in gradient.values())
    assert abs(attacked / count - 0.6) < 4 * (0.24 / count) ** 0.5


NORMS = ["norm.weight", "norm.bias"]


@pytest.mark.parametrize(("name", "values"), [("sam", {"rho": 0.3}), ("asam", {"rho": 0.3, "eta": 0.02})])
def test_sam_on_perturbs_the_norms_and_trains_everything(name, values):
    """Three steps of SAM-ON, plain and elementwise, written out."""

    def rule(written, parameters, images, labels):
        clean = gradients(written.loss(parameters, images, labels), parameters)
        scale = {key: parameters[key].abs() + 0.02 if name == "asam" else 1.0 for key in NORMS}
        length = sum((scale[key] * clean[key]).square().sum() for key in NORMS).sqrt()
        there = {key: p.detach().clone() for key, p in parameters.items()}
        for key in NORMS:
            there[key] += 0.3 * (scale[key] ** 2 * clean[key] / length).detach()
        leaves = {key: p.requires_grad_() for key, p in there.items()}
        return gradients(written.loss(leaves, images, labels), leaves)

    assert error_after_three_steps(name, Layered, rule, targets="norms", **values) < 1e-12


@pytest.mark.parametrize(
    ("targets", "moved"),
    [
        ("norms", {"norm.weight", "norm.bias"}),
        ("conv.weight", {"conv.weight"}),
        ("bias+norms", {"norm.weight", "norm.bias", "fc.bias"}),
        ("norm.bias+norms", {"norm.weight", "norm.bias"}),
        ("all", {"conv.weight", "conv.bias", "norm.weight", "norm.bias", "fc.weight", "fc.bias"}),
    ],
)
@pytest.mark.parametrize("name", ["sam", "asam", "esam-swp"])
def test_named_weights_alone_are_perturbed(name, targets, moved):
    model = make(Normalised)
    points = Points().follow(model)
    seen = []
    model.fc.register_forward_pre_hook(lambda *_: seen.append(parameters_of(model)))
    before = parameters_of(model)
    method_for(name, model, targets=targets, rho=1.0).step(model, model.batch(), standing(model))
    assert len(points.parameters) == 2
    assert {key for key, value in seen[1].items() if not torch.equal(value, before[key])} <= moved
    assert {key.partition(".")[0] for key in moved} == {
        key.partition(".")[0] for key, value in seen[1].items() if not torch.equal(value, before[key])
    }
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ("norms", "has none"),
        ("input", "perturbs weights"),
        ("input.image", "perturbs weights"),
        ("nope", "unknown"),
    ],
)
def test_weights_that_are_not_there_are_refused_in_one_line(targets, told):
    model = make(Images)
    with pytest.raises(dropattack.UsageError, match=told) as caught:
        method_for("sam", model, targets=targets).step(model, model.batch(), standing(model))
    assert "\n" not in str(caught.value)


def test_frozen_norms_are_no_targets():
    model = make(Normalised)
    model.norm.requires_grad_(False)
    with pytest.raises(dropattack.UsageError, match="has none"):
        method_for("sam", model, targets="norms").step(model, model.batch(), standing(model))


def test_settings_of_targets_leave_old_keys_alone():
    settings = dropattack.method_named("sam").settings_type
    assert settings().stated() == settings(targets="all").stated() == {}
    assert settings().target_sets == {}
    assert settings(targets="b+a").target_sets == {"targets": "a+b"}
