"""FGSM-RS and N-FGSM against their algorithms written out, and what is the same as PGD and FGSM."""

import pytest
import torch

import dropattack
from dropattack.testing.methods.models import Images, Layered, make, standing
from tests.dropattack.methods.oracles import error_after_three_steps, gradients, input_gradient
from tests.dropattack.toys import Points, close, gradient_at, method_for

SIZES = {
    "fgsm-rs": ({}, 1.0, 1.25, True),
    "n-fgsm": ({}, 2.0, 1.0, False),
    "n-fgsm, others": ({"noise": 0.5, "step": 1.5}, 0.5, 1.5, False),
    "fgsm-rs, others": ({"step": 0.75}, 1.0, 0.75, True),
}
EPSILON = 0.08


@pytest.mark.parametrize("kind", [Images, Layered])
@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize("case", SIZES)
def test_three_steps(kind, case, clamp):
    values, noise, step, clipped = SIZES[case]

    def rule(written, parameters, images, labels):
        drawn = torch.rand(images.shape, dtype=torch.float32, generator=written.generator)
        eta = ((2 * drawn - 1) * (noise * EPSILON)).to(images.dtype)
        bounds = (lambda x: x.clamp(0, 1)) if clamp else (lambda x: x)
        start = bounds(images + eta)
        still = {name: value.detach() for name, value in parameters.items()}
        g = input_gradient(lambda x: written.loss(still, x, labels), start)
        delta = start - images + step * EPSILON * g.sign()
        point = bounds(images + (delta.clamp(-EPSILON, EPSILON) if clipped else delta))
        return gradients(written.loss(parameters, point, labels), parameters)

    name = case.partition(",")[0]
    values = {**values, "epsilon": EPSILON, "clamp": clamp}
    assert error_after_three_steps(name, kind, rule, **values) < 1e-12


def test_noise_of_n_fgsm_goes_beyond_epsilon_and_is_not_clipped():
    model = make(Images)
    images, labels = model.batch()
    points = Points().follow(model)
    method_for("n-fgsm", model, epsilon=EPSILON).step(model, (images, labels), standing(model))
    start, last = (point - images for point in points.activations)
    assert EPSILON < start.abs().max() <= 2 * EPSILON
    assert 2 * EPSILON < last.abs().max() <= 3 * EPSILON * (1 + 1e-12)
    assert close((last - start).abs(), torch.full_like(last, EPSILON))


@pytest.mark.parametrize("name", ["fgsm-rs", "n-fgsm"])
def test_the_clean_batch_may_be_trained_on_too(name):
    model = make(Images)
    batch = model.batch()
    points = Points().follow(model)
    method = method_for(name, model, epsilon=EPSILON, clean=True)
    method.step(model, batch, standing(model))
    assert method.settings.passes == len(points.activations) == 3
    found = [gradient_at(model, batch, points.parameters[0], points.activations[i])[0] for i in (0, 2)]
    for key, parameter in model.named_parameters():
        assert close(parameter.grad, found[0][key] + found[1][key])


def spelt(name, **values):
    method = dropattack.method_named(name)
    return method.canonical(method.settings_type(**values), False)


def test_what_is_the_same_training_has_one_spelling():
    one = {"norm": "linf", "random_start": True, "clean": False, "k": 1}
    assert spelt("fgsm-rs", epsilon=0.1, step=1.25) == spelt("pgd", epsilon=0.1, alpha=0.125, **one)
    still = spelt("fgsm", epsilon=0, clean=False)
    assert spelt("fgsm-rs", epsilon=0) == spelt("n-fgsm", epsilon=0) == still
    assert spelt("n-fgsm", epsilon=0.1, noise=0, step=2) == spelt("fgsm", epsilon=0.2, clean=False)
    assert spelt("n-fgsm", epsilon=0.1, noise=1, step=1.25)[0] == "n-fgsm", "without clipping"


def test_madry_is_a_preset_of_pgd():
    settings = dropattack.method_named("pgd").settings_type.from_dict({"preset": "madry", "k": 10})
    assert (settings.norm, settings.random_start, settings.clean, settings.k) == ("linf", True, False, 10)
    assert settings.passes == 11
