"""TRADES against the authors' algorithm, written out."""

import pytest
import torch

import dropattack
from dropattack.testing.methods.models import Images, Layered, Normalised, Recurrent, make, standing
from tests.dropattack.methods.oracles import error_after_three_steps, gradients, input_gradient
from tests.dropattack.toys import Points, method_for

ROOM = {"epsilon": 0.1, "alpha": 0.04, "k": 3, "kl_weight": 2.5}


def attacked(written, parameters, images, norm, noise, clamp=False):
    still = {name: value.detach() for name, value in parameters.items()}
    if noise == "normal":
        delta = 0.001 * torch.randn(images.shape, dtype=images.dtype, generator=written.generator)
    else:
        drawn = torch.rand(images.shape, dtype=torch.float32, generator=written.generator)
        delta = ((2 * drawn - 1) * ROOM["epsilon"]).to(images.dtype)
    bounds = (lambda x: x.clamp(0, 1)) if clamp else (lambda x: x)
    point = bounds(images + delta)
    for _ in range(ROOM["k"]):
        g = input_gradient(lambda x: written.kl(still, images, x), point)
        if norm == "linf":
            moved = (point - images + ROOM["alpha"] * g.sign()).clamp(-ROOM["epsilon"], ROOM["epsilon"])
        else:
            moved = point - images + ROOM["alpha"] * g / g.flatten(1).norm(dim=1)[:, None, None, None]
            length = moved.flatten(1).norm(dim=1)[:, None, None, None]
            moved = moved * (ROOM["epsilon"] / length).clamp(max=1)
        point = bounds(images + moved)
    return point


@pytest.mark.parametrize("kind", [Images, Layered])
@pytest.mark.parametrize(
    ("norm", "noise", "clamp"),
    [("linf", "normal", False), ("linf", "uniform", True), ("l2", "normal", False)],
)
def test_three_steps(kind, norm, noise, clamp):
    def rule(written, parameters, images, labels):
        point = attacked(written, parameters, images, norm, noise, clamp)
        loss = written.loss(parameters, images, labels)
        return gradients(loss + ROOM["kl_weight"] * written.kl(parameters, images, point), parameters)

    values = {**ROOM, "norm": norm, "noise": noise, "clamp": clamp}
    assert error_after_three_steps("trades", kind, rule, **values) < 1e-12


def test_the_mode_of_the_attack_is_the_models_or_eval():
    """In eval mode BatchNorm normalises by running statistics while the attack is sought, and not before."""
    for mode, expected in (("train", [True] * 5), ("eval", [True, False, False, False, False, True])):
        model, seen = make(Normalised), []
        model.norm.register_forward_pre_hook(lambda norm, _, seen=seen: seen.append(norm.training))
        before = {name: value.clone() for name, value in model.named_buffers()}
        method = method_for("trades", model, k=3, attack_mode=mode)
        method.step(model, model.batch(), standing(model))
        assert seen == expected
        assert model.norm.training
        assert model.training
        assert model.norm.num_batches_tracked == before["norm.num_batches_tracked"] + 1


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_step_that_breaks_leaves_the_mode_as_it_was(mode):
    model = make(Normalised)
    model.norm.eval()
    calls = []

    def breaking(_, __):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("out of memory")

    model.register_forward_pre_hook(breaking)
    with pytest.raises(RuntimeError, match="out of memory"):
        method_for("trades", model, attack_mode=mode).step(model, model.batch(), standing(model))
    assert model.training
    assert not model.norm.training


def test_the_update_passes_through_both_predictions():
    """Of the clean pass alone, or of the attacked one alone, it would be another gradient."""
    model = make(Images)
    images, labels = model.batch()
    points = Points().follow(model)
    method_for("trades", model, **ROOM).step(model, (images, labels), standing(model))
    (clean, *_, last), own = points.activations, model.fc.bias.grad.clone()
    model.seen._forward_pre_hooks.clear()
    for constant in (0, 1):
        logits = [model(clean), model(last)]
        logits[constant] = logits[constant].detach()
        p, q = (each.log_softmax(1) for each in logits)
        kl = (p.exp() * (p - q)).sum(1).mean()
        (partial,) = torch.autograd.grad(kl, model.fc.bias)
        loss = torch.nn.functional.cross_entropy(model(clean), labels)
        (plain,) = torch.autograd.grad(loss, model.fc.bias)
        assert not torch.allclose(own, plain + ROOM["kl_weight"] * partial, rtol=1e-6)


def test_texts_are_attacked_in_their_words_and_not_in_padding():
    model = make(Recurrent)
    (ids, lengths), labels = model.batch()
    points = Points().follow(model)
    method_for("trades", model, **ROOM).step(model, ((ids, lengths), labels), standing(model))
    moved = points.activations[-1] - points.activations[0]
    assert (moved[ids == 0] == 0).all()
    assert (moved[ids != 0].abs().amax(1) > 0).all()
    assert moved.abs().max() <= ROOM["epsilon"] * (1 + 1e-12)


def test_no_room_and_no_weight_have_one_spelling():
    create = dropattack.method_named("trades").settings_type
    canonical = dropattack.method_named("trades").canonical
    assert canonical(create(kl_weight=0, k=3), False)[0] == "standard"
    one = create(epsilon=0, alpha=1, noise="normal", norm="l2")
    other = create(epsilon=0, alpha=2, noise="uniform", norm="linf")
    assert canonical(one, False) == canonical(other, False)
