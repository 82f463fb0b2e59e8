"""Attacks on trained models against torchattacks, by hand, and inside their balls."""

import pytest
import torch
import torchattacks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dropattack import Task, UsageError
from dropattack.robustness import Attack, Pixels, adversarial_examples, attacking, margin, victim
from tests.dropattack.toys import Texts, make

EVERY = [
    "fgsm",
    "fgm",
    "pgd-4",
    "pgd-l2-4",
    "pgd-3x2",
    "margin",
    "margin-4",
    "margin-l2-3",
    "noise-3",
    "noise-l2-3",
]


class Noisy(nn.Module):
    """Images with dropout and batch normalisation, whose modes differ."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(48, 4)

    def forward(self, images):
        return self.fc(self.drop(torch.tanh(self.norm(self.conv(images)))).flatten(1))


def noisy(seed=0):
    torch.manual_seed(seed)
    model = Noisy()
    model.train()
    model.norm.running_mean.uniform_(-0.1, 0.1)
    return model, torch.rand(6, 2, 6, 6), torch.arange(6) % 4


def oracle(make_attack, model, images, labels, seed=3):
    torch.manual_seed(seed)
    with attacking(model):
        return make_attack(model)(images, labels)


def ours(name, model, images, labels, epsilon, seed=3):
    """With torch's default generator, so that it draws what the oracle draws."""
    torch.manual_seed(seed)
    return adversarial_examples(name, model, images, labels, epsilon)


def test_fgsm_equals_torchattacks():
    model, images, labels = noisy()
    expected = oracle(lambda m: torchattacks.FGSM(m, eps=0.1), model, images, labels)
    assert torch.allclose(ours("fgsm", model, images, labels, 0.1), expected, atol=1e-6)


@pytest.mark.parametrize("steps", [2, 7])
def test_pgd_equals_torchattacks_from_the_same_random_start(steps):
    model, images, labels = noisy()
    size = Attack.parse(f"pgd-{steps}").step_size(0.1)
    expected = oracle(
        lambda m: torchattacks.PGD(m, eps=0.1, alpha=size, steps=steps, random_start=True),
        model,
        images,
        labels,
    )
    assert torch.allclose(ours(f"pgd-{steps}", model, images, labels, 0.1), expected, atol=1e-6)


def test_euclidean_pgd_equals_torchattacks_from_the_same_random_start():
    model, images, labels = noisy()
    size = Attack.parse("pgd-l2-5").step_size(0.5)
    expected = oracle(
        lambda m: torchattacks.PGDL2(m, eps=0.5, alpha=size, steps=5, random_start=True),
        model,
        images,
        labels,
    )
    assert torch.allclose(ours("pgd-l2-5", model, images, labels, 0.5), expected, atol=1e-5)


def test_fifty_steps_have_the_size_that_dropen_tests_with():
    assert Attack.parse("pgd-50").step_size(0.7) == pytest.approx(0.07)
    assert Attack.parse("pgd-10").step_size(0.1) == pytest.approx(0.025)


def test_fgsm_on_a_linear_model_by_hand():
    """Two classes with scores ±w·x: ε moves the score by ε‖w‖₁, so that smaller margins fall."""
    weight = torch.tensor([1.0, -2.0])
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.stack([weight, -weight]))
    points = torch.tensor([[0.5, 0.4], [0.5, 0.1], [0.9, 0.1]])  # w·x = -0.3, 0.3, 0.7
    labels = torch.tensor([1, 0, 0])
    for epsilon, right in ((0.05, 3), (0.15, 1), (0.3, 0)):  # ε‖w‖₁ = 0.15, 0.45, 0.9
        attacked = adversarial_examples("fgsm", model, points, labels, epsilon)
        assert (model(attacked).argmax(1) == labels).sum() == right
        inner = (points >= epsilon) & (points <= 1 - epsilon)
        signs = torch.where(labels == 1, 1.0, -1.0)[:, None] * weight.sign()
        assert torch.allclose((attacked - points)[inner], (epsilon * signs)[inner])


def test_margin_is_the_lead_of_the_best_wrong_class():
    outputs = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    assert margin(outputs, torch.tensor([1, 0])).tolist() == [-1, 2]


@settings(max_examples=40)
@given(
    name=st.sampled_from([*EVERY, "square-6"]),
    epsilon=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_attacks_stay_in_the_ball_and_in_range(name, epsilon, seed):
    model, images, labels = noisy(seed)
    generator = torch.Generator().manual_seed(seed)
    attacked = adversarial_examples(name, model, images, labels, epsilon, generator=generator)
    moved = (attacked - images).flatten(1)
    length = moved.norm(dim=1) if Attack.parse(name).ball == "l2" else moved.abs().amax(1)
    assert (length <= epsilon + 1e-5).all()
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not attacked.requires_grad


@pytest.mark.parametrize("name", [*EVERY, "square-6"])
def test_attacks_leave_the_model_as_it_was(name):
    model, images, labels = noisy()
    model.norm.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    adversarial_examples(name, model, images, labels, 0.2)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_are_restored_after_an_error():
    model, images, labels = noisy()
    with pytest.raises(RuntimeError):
        adversarial_examples("fgsm", model, images[:, :1], labels, 0.2)
    assert model.training


@pytest.mark.parametrize("name", ["pgd-4", "pgd-l2-4", "pgd-3x2", "noise-3", "square-6"])
def test_draws_come_from_the_generator_alone(name):
    model, images, labels = noisy()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, second, third = (
        adversarial_examples(name, model, images, labels, 0.2, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert torch.equal(torch.get_rng_state(), state)


def test_restarts_and_queries_only_help():
    model, images, labels = noisy()
    with attacking(model):
        clean = margin(model(images), labels)

        def reached(name):
            generator = torch.Generator().manual_seed(5)
            attacked = adversarial_examples(name, model, images, labels, 0.1, generator=generator)
            return margin(model(attacked), labels)

        assert (reached("pgd-3x4") >= reached("pgd-3") - 1e-6).all()
        assert (reached("pgd-8x3") > clean).all()
        assert (reached("square-60") > clean).all()
        assert (reached("noise-40") >= reached("noise-2") - 1e-6).all()


def test_normalised_inputs_are_attacked_as_their_pixels_are():
    """The same attack, whether a model is given pixels or normalises outside of itself."""
    model, pixels, labels = noisy()
    mean, sd = torch.tensor([0.3, 0.6]).view(2, 1, 1), torch.tensor([0.2, 0.5]).view(2, 1, 1)

    class OnPixels(nn.Module):
        def forward(self, images):
            return model((images - mean) / sd)

    bounds = ((0 - mean) / sd, (1 - mean) / sd)
    with attacking(model):
        for name in ("fgsm", "pgd-l2-5"):
            torch.manual_seed(1)
            expected = adversarial_examples(name, OnPixels(), pixels, labels, 0.3)
            torch.manual_seed(1)
            found = adversarial_examples(name, model, (pixels - mean) / sd, labels, 0.3, bounds)
            assert torch.allclose(found * sd + mean, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["fgm", "pgd-l2-4", "fgsm", "noise-l2-2"])
def test_texts_are_attacked_in_their_embedding_vectors(name):
    model = make(Texts).float()
    inputs, labels = model.batch()
    with attacking(model):
        attacked = victim(model, inputs, Task(names=model.names))
        assert torch.equal(attacked.start, model.embed.weight[inputs[0]])
        assert torch.equal(attacked.outputs(attacked.start), model(*inputs))
        attack = Attack.parse(name)
        point = attack(attacked, labels, 0.5, torch.Generator().manual_seed(0))
        moved = (point - attacked.start).flatten(1)
        assert (moved.norm(dim=1) if attack.ball == "l2" else moved.abs().amax(1)).max() <= 0.5 + 1e-5
        assert (margin(attacked.outputs(point), labels) > margin(model(*inputs), labels)).float().mean() > 0.5
    assert model.training


def test_fgm_on_texts_follows_the_gradient_by_hand():
    model = make(Texts)
    (ids, lengths), labels = model.batch()
    shift = torch.zeros(5, 7, 6, dtype=torch.float64, requires_grad=True)
    loss = nn.functional.cross_entropy(model(ids, lengths, shift), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, shift)
    expected = 0.3 * gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1)
    with attacking(model):
        attacked = victim(model, (ids, lengths), Task(names=model.names))
        moved = Attack.parse("fgm")(attacked, labels, 0.3) - attacked.start
    assert torch.allclose(moved, expected, atol=1e-9)


def test_integer_inputs_and_squares_on_texts_are_refused():
    model, _, labels = noisy()
    with pytest.raises(UsageError, match=r"floating-point inputs, not torch\.uint8"):
        adversarial_examples("fgsm", model, torch.zeros(6, 2, 6, 6, dtype=torch.uint8), labels, 0.1)
    linear = nn.Linear(3, 2)
    with pytest.raises(UsageError, match="square attack is for images"):
        adversarial_examples("square-5", linear, torch.rand(2, 3), torch.tensor([0, 1]), 0.1)


@pytest.mark.parametrize("name", [*EVERY, "square-6", "pgd-l2-20x5"])
def test_names_are_spelled_one_way(name):
    assert str(Attack.parse(name)) == name


@pytest.mark.parametrize(
    "text", ["fgsm-3", "pgd", "pgd-0", "pgd-20x0", "square-l2-5", "noise", "marginx3", "fgm-l2", "nope", ""]
)
def test_names_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="valid: fgsm"):
        Attack.parse(text)


def test_a_victim_keeps_other_arguments():
    class Two(nn.Module):
        def forward(self, features, offset):
            return features[:, :2] + offset

    offset = torch.ones(3, 2)
    pixels = Pixels(Two(), (torch.rand(3, 4), offset))
    assert torch.equal(pixels.outputs(pixels.start), pixels.start[:, :2] + 1)
