"""AutoAttack's four attacks against direct formulations, and all four against the library run alone."""

import math

import numpy as np
import pytest
import torch
import torchattacks
from scipy.optimize import linprog
from torch import nn
from torchattacks.attacks.fab import projection_linf

from dropattack import UsageError
from dropattack.robustness import Pixels, adversarial_examples, attacking, autoattack, parts
from dropattack.robustness.parts import Budget
from tests.dropattack.robustness.small import Small, images


@pytest.mark.parametrize(("classes", "epsilon"), [(2, 0.25), (3, 0.1)])
def test_few_classes_have_a_target_for_each_wrong_one(classes, epsilon):
    model = Small(classes)
    points, labels = images(model, 20)
    fallen = {}
    for name in ("apgd-t", "fab-t"):
        with torch.no_grad():
            found = parts.PARTS[name](Pixels(model, points), labels, epsilon, Budget(60, 9, 10))
            fallen[name] = model(found).argmax(1) != labels
    strong = adversarial_examples("margin-50x5", model, points, labels, epsilon)
    by_margin = model(strong).argmax(1) != labels
    assert 0 < by_margin.sum() < 20
    assert (fallen["apgd-t"] | fallen["fab-t"]).sum() >= by_margin.sum()
    for fell in fallen.values():
        assert fell.sum() >= by_margin.sum() - 1, "from one start, against five"


def test_fabs_projection_is_the_nearest_point_of_a_hyperplane_in_the_box():
    generator = np.random.default_rng(0)
    for _ in range(20):
        size = 6
        point, weight = generator.random(size), generator.normal(size=size)
        offset = weight @ generator.random(size)
        given = (torch.tensor(np.array([a])) for a in (point, weight))
        moved = projection_linf(*given, torch.tensor([offset]))
        cost = np.r_[np.zeros(size), 1]
        eye, ones = np.eye(size), np.ones((size, 1))
        solved = linprog(
            cost,
            A_ub=np.block([[eye, -ones], [-eye, -ones]]),
            b_ub=np.zeros(2 * size),
            A_eq=np.r_[weight, 0][None],
            b_eq=[offset - weight @ point],
            bounds=[*zip(-point, 1 - point, strict=True), (0, None)],
        )
        assert moved.abs().max().item() == pytest.approx(solved.fun, abs=1e-6)
        assert weight @ (point + moved[0].numpy()) == pytest.approx(offset, abs=1e-5)


def test_fab_finds_the_boundary_of_a_linear_model_wherever_the_ball_reaches_it():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    points = 0.3 + 0.4 * torch.rand(8, 1, 4, 4)
    labels = model(points).argmax(1)
    weight, logits = model[1].weight, model(points)
    lead = logits.gather(1, labels[:, None]) - logits
    reach = (lead / (weight[labels][:, None] - weight).abs().sum(2)).scatter(1, labels[:, None], math.inf)
    distance = reach.amin(1)
    for i in range(3):
        for factor, falls in ((0.98, False), (1.1, True)):
            with torch.no_grad():
                victim = Pixels(model, points[i : i + 1])
                found = parts.fab_t(victim, labels[i : i + 1], factor * distance[i].item(), Budget(30))
            assert (model(found).argmax(1) != labels[i]).item() == falls


def test_square_keeps_a_window_where_the_margin_falls_and_only_there():
    model = Small(classes=3, channels=2, side=12)
    points, labels = images(model, 1, 2, 12)
    asked, epsilon = [], 0.01
    model.register_forward_pre_hook(lambda module, given: asked.append(given[0][0].clone()))
    with torch.no_grad():
        found = parts.square(Pixels(model, points), labels, epsilon, Budget(queries=260))

    def lead(point):
        logits = model.second(torch.tanh(model.first(point.flatten())))
        return logits[labels[0]] - logits[torch.arange(3) != labels[0]].max()

    first, *queries = asked
    assert len(queries) == 260, "as many as asked for, after the first"
    moves = ((first - points[0]) / epsilon).round()
    assert (moves.abs() == 1)[(points[0] > epsilon) & (points[0] < 1 - epsilon)].all()
    assert (first - points[0]).sign().eq((first - points[0]).sign()[:, :1]).float().mean() > 0.9, "stripes"
    best, kept = first, 0
    halvings = (10, 50, 200, 500)
    for index, query in enumerate(queries):
        side = round(math.sqrt(0.8 / 2 ** sum(index > after for after in halvings) * 144))
        rows, columns = ((query != best).any(0).any(d).nonzero().flatten() for d in (1, 0))
        for places in (rows, columns):
            assert len(places) == 0 or places[-1] - places[0] < side
        assert (query - points[0]).abs().max() <= epsilon + 1e-6
        if lead(query) < lead(best):
            best, kept = query, kept + 1
    assert 0 < kept < 260
    assert torch.equal(found[0], best)


SHORT = Budget(steps=8, targets=9, queries=60)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(parts, "STANDARD", SHORT)


def test_all_four_equal_the_library_run_alone(monkeypatch, short):
    """The library's own parts in its own `MultiAttack`, given the published rules, from the same seed."""
    monkeypatch.setattr(torch, "randint", lambda *a, **k: torch.tensor(7))
    model = Small(classes=6, channels=2, side=6).eval()
    points, labels = images(model, 40, 2, 6)
    labels[:3] = (labels[:3] + 1) % 6
    given = {"eps": 0.03, "seed": 7}
    library = torchattacks.MultiAttack(
        [
            torchattacks.APGD(model, steps=8, **given),
            torchattacks.APGDT(model, steps=8, n_classes=6, **given),
            torchattacks.FAB(model, steps=8, n_classes=6, multi_targeted=True, **given),
            torchattacks.Square(model, n_queries=60, resc_schedule=False, **given),
        ]
    )
    expected = model(library(points, labels)).argmax(1) == labels
    model.zero_grad(set_to_none=True)
    ours = model(adversarial_examples("autoattack", model, points, labels, 0.03)).argmax(1) == labels
    assert torch.equal(ours, expected)
    assert 0 < ours.sum() < 37


def test_the_budgets_are_those_of_the_standard_version(monkeypatch):
    assert Budget() == parts.STANDARD == Budget(steps=100, targets=9, queries=5000)
    made = []
    for name in ("APGD", "_TargetedApgd", "_TargetedFab", "Square"):
        kind = getattr(parts, name)
        monkeypatch.setattr(parts, name, lambda *a, kind=kind, **k: made.append(kind(*a, **k)) or made[-1])
    model = Small(classes=12)
    points, labels = images(model, 2)
    for run in parts.PARTS.values():
        with torch.no_grad():
            run(Pixels(model, points), labels, 1e-4, Budget(steps=2, queries=3))
    ce, targeted, fab, square = made
    assert (ce.thr_decr, targeted.thr_decr, ce.n_restarts, ce.eot_iter) == (0.75, 0.75, 1, 1)
    assert (fab.alpha_max, fab.eta, fab.beta) == (0.1, 1.05, 0.9)
    assert (square.p_init, square.rescale_schedule, square.loss) == (0.8, False, "margin")
    assert targeted.target_class == fab.target_class == 10, "the ninth wrong class of eleven"


def test_it_leaves_models_generators_and_wrong_examples_alone(short):
    model = Small()
    model.first.weight.grad = torch.ones_like(model.first.weight)
    model.train()
    points, labels = images(model)
    labels[0] = (labels[0] + 1) % 4
    state = torch.get_rng_state()
    runs = [
        adversarial_examples(
            "autoattack", model, points, labels, 0.05, generator=torch.Generator().manual_seed(seed)
        )
        for seed in (3, 3)
    ]
    assert torch.equal(*runs)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert torch.equal(model.first.weight.grad, torch.ones_like(model.first.weight))
    assert model.second.weight.grad is None
    assert torch.equal(runs[0][0], points[0]), "what is wrong without an attack"
    assert (runs[0] - points).abs().max() <= 0.05 + 1e-6
    assert runs[0].min() >= 0
    assert runs[0].max() <= 1


def test_normalised_inputs_are_attacked_as_their_pixels_are(short):
    model = Small(channels=2)
    points, labels = images(model, 6, 2)
    low, width = torch.tensor([-1.0, -2.0]).view(2, 1, 1), torch.tensor([3.0, 5.0]).view(2, 1, 1)

    class Normalised(nn.Module):
        def forward(self, given):
            return model((given - low) / width)

    def attack(model, inputs, **bounds):
        generator = torch.Generator().manual_seed(0)
        return adversarial_examples("autoattack", model, inputs, labels, 0.05, generator=generator, **bounds)

    plain = attack(model, points)
    other = attack(Normalised(), points * width + low, bounds=(low, low + width))
    assert (plain != points).any()
    assert torch.allclose((other - low) / width, plain, atol=1e-5)


class Convolved(nn.Module):
    """Whose gradients lie as its weights do in memory."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(64, 4)

    def forward(self, images):
        return self.last(self.conv(images).relu().flatten(1))


@pytest.mark.parametrize("kind", ["channels last", "last in the model", "float64", "bfloat16"])
def test_images_of_any_type_and_order_in_memory_are_attacked(short, kind):
    model = Convolved()
    points, labels = images(model, 8, 2)
    if kind == "channels last":
        points = points.to(memory_format=torch.channels_last)
    elif kind == "last in the model":
        model = model.to(memory_format=torch.channels_last)
    else:
        model, points = (each.to(getattr(torch, kind)) for each in (model, points))
        labels = model(points).argmax(1)
    found = adversarial_examples("autoattack", model, points, labels, 0.1)
    assert found.dtype == points.dtype
    assert (found - points).abs().max() <= 0.1 + max(1e-6, torch.finfo(points.dtype).eps)
    assert (model(found).argmax(1) != labels).any()
    assert 0 <= found.min() <= found.max() <= 1


def test_inputs_that_are_no_images_are_refused():
    with pytest.raises(UsageError, match=r"models of images alone.*use pgd-50x5"):
        adversarial_examples("autoattack", nn.Linear(3, 2), torch.rand(2, 3), torch.tensor([0, 1]), 0.1)

    class Two(nn.Module):
        def forward(self, image, other):
            return image.flatten(1)[:, :2] + other

    two = (torch.rand(2, 1, 2, 2), torch.rand(2, 1))
    with pytest.raises(UsageError, match="models of images alone"):
        adversarial_examples("autoattack", Two(), two, torch.tensor([0, 1]), 0.1)


def test_without_its_library_it_names_the_extra(monkeypatch):
    monkeypatch.setattr(autoattack, "find_spec", lambda name: None)
    model = Small()
    points, labels = images(model)
    with pytest.raises(UsageError, match=r"pip install 'dropattack\[autoattack\]'"):
        adversarial_examples("autoattack", model, points, labels, 0.1)


def test_an_example_that_falls_to_pgd_with_restarts_falls_to_autoattack(monkeypatch):
    monkeypatch.setattr(parts, "STANDARD", Budget(steps=40, queries=100))
    model = Small(classes=5, channels=2, side=6, seed=3)
    points, labels = images(model, 40, 2, 6)
    with attacking(model):
        left = {
            name: int(
                (model(adversarial_examples(name, model, points, labels, 0.03)).argmax(1) == labels).sum()
            )
            for name in ("pgd-50x5", "margin-50x5", "autoattack")
        }
    assert 0 < left["autoattack"] <= min(left.values())
