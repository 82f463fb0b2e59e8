"""Signs of masked gradients, on models that mask them and on one that does not."""

import pytest
import torch
from torch import nn

from dropattack.robustness import (
    PARTS,
    Case,
    Pixels,
    adversarial_examples,
    attacking,
    masking_checks,
    masking_verdict,
    parse_grid,
    part,
    parts,
)


@pytest.mark.parametrize(("examples", "finding"), [("", "one step beats many"), ("-of-100", None)])
def test_checks_compare_attacks_on_equally_many_examples(examples, finding):
    metrics = {"accuracy": 0.9, "fgsm_0.1_accuracy": 0.3, f"pgd-20{examples}_0.1_accuracy": 0.6}
    (steps,) = [check.finding for check in masking_checks(metrics) if check.name == "steps"]
    assert steps is None if finding is None else steps.startswith(finding)


def trained(model, seed=0):
    """A model that tells two blobs apart, and the blobs."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(200) % 2
    points = (0.35 + 0.3 * labels[:, None] + 0.1 * torch.randn(200, 4, generator=generator)).clamp(0, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(points), labels).backward()
        optimizer.step()
    return points, labels


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


GRID = "fgsm:.1,.3+margin:.1,.3+pgd-10:.1,.3+margin-10:.1,.3+noise-5:.1,.3+transfer-pgd-10:.1,.3"


def measured(model, source, points, labels):
    """Metrics of a grid, by the plain API."""
    with torch.no_grad():
        metrics = {"accuracy": (model(points).argmax(1) == labels).float().mean().item()}
    inputs = points.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), labels), inputs)
    metrics["zero_gradient"] = (gradient == 0).all(1).float().mean().item()
    for case in parse_grid(GRID):
        attacked = adversarial_examples(
            case.attack, source if case.transfer else model, points, labels, case.epsilon
        )
        right = model(attacked).argmax(1) == labels
        metrics[case.metric] = right.float().mean().item()
    return metrics


def findings(metrics):
    return {check.name: check.finding for check in masking_checks(metrics)}


@pytest.mark.parametrize(
    ("grid", "passes", "missing"),
    [
        ("fgsm:0.1,0.3+pgd-2:0.3+margin:0.3+noise-1:0.3", 6, set()),
        ("fgsm:0.1,0.3+pgd-20:0.3+margin-20:0.3+noise-10:0.3", 52, set()),
        ("fgsm:0.3+pgd-2:0.3+margin:0.3+noise-1:0.3", 5, {"falls with ε"}),
        ("fgsm:0.1,0.3+margin:0.3+noise-1:0.3", 4, {"steps"}),
        ("fgsm:0.1,0.3+pgd-2:0.3+noise-1:0.3", 5, {"loss"}),
        ("fgsm:0.1,0.3+pgd-2:0.3+margin:0.3", 5, {"black box"}),
    ],
)
def test_a_grid_of_six_passes_allows_all_checks_but_transfer(grid, passes, missing):
    cases = parse_grid(grid)
    assert sum(case.attack.passes for case in cases) == passes
    found = findings({"accuracy": 0.9, "zero_gradient": 0.0} | {case.metric: 0.1 for case in cases})
    assert {name for name, finding in found.items() if finding is None} == {"transfer"} | missing


def test_a_plain_model_shows_no_sign_of_masking():
    model, source = net(), net()
    points, labels = trained(model)
    trained(source, seed=1)
    found = findings(measured(model, source, points, labels))
    assert found == dict.fromkeys(["gradients", "falls with ε", "steps", "loss", "black box", "transfer"], "")


def test_quantised_inputs_are_found_out():
    """Rounding has no gradient, so that white-box attacks do nothing and all others win."""
    inner = net()
    points, labels = trained(inner)

    class Quantised(nn.Module):
        def forward(self, x):
            return inner((x * 20).round() / 20 + 0 * x)

    found = findings(measured(Quantised(), inner, points, labels))
    assert "100.0 % of the examples have no gradient" in found["gradients"]
    assert "another model's examples beat its own at ε 0.1" in found["transfer"]
    assert "without gradients" in found["black box"]


def test_a_saturated_softmax_is_found_out():
    """Logits times a thousand: the cross entropy of most examples has no gradient left, the margin has."""
    inner = net()
    points, labels = trained(inner)

    class Saturated(nn.Module):
        def forward(self, x):
            return 1000 * inner(x)

    found = findings(measured(Saturated(), inner, points, labels))
    assert "no gradient at all" in found["gradients"]
    assert "margin loss beats the cross entropy" in found["loss"]
    assert found["transfer"] == ""  # the margin attack needs no other model


@pytest.mark.parametrize(
    ("metrics", "check", "message"),
    [
        ({"fgsm_0.1_accuracy": 0.2, "fgsm_0.3_accuracy": 0.6}, "falls with ε", "rises from 20.0 % to 60.0 %"),
        ({"fgsm_0.05_accuracy": 0.984, "fgsm_0.3_accuracy": 0.988}, "falls with ε", "stays at 98.8 %"),
        ({"pgd-20_0.5_accuracy": 0.8}, "falls with ε", "leaves 80.0 % right at ε 0.5"),
        ({"fgsm_0.1_accuracy": 0.2, "pgd-20_0.1_accuracy": 0.6}, "steps", "one step beats many at ε 0.1"),
    ],
)
def test_signs_of_masking_in_figures_alone(metrics, check, message):
    assert message in findings({"accuracy": 0.99, **metrics})[check]


def test_what_cannot_be_compared_is_not_passed():
    found = findings(
        {"accuracy": 0.99, "margin-20_0.1_accuracy": 0.2, "fgsm_0.1_accuracy": 0.7, "fgm_1_accuracy": 0.1}
    )
    assert found["gradients"] is None
    assert found["loss"] is None
    assert found["transfer"] is None
    assert found["black box"] is None
    assert found["steps"] == ""


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        (
            {"autoattack-of-1000_0.1_accuracy": 0.4, "autoattack-of-1000_0.1_left_by_fab-t": 0.414},
            "gradients look masked: Square fools 1.4 % that APGD and FAB leave right at ε 0.1, of 1,000",
        ),
        (
            {"autoattack_0.1_accuracy": 0.5, "pgd-20_0.1_accuracy": 0.45, "zero_gradient": 0.2},
            "gradients look masked: 20.0 % of the examples have no gradient at all; another attack beats "
            "AutoAttack at ε 0.1: 45.0 % under pgd-20, 50.0 % under autoattack",
        ),
        (
            {"autoattack_1_accuracy": 0.4, "autoattack_1_left_by_fab-t": 0.403, "pgd-20_1_accuracy": 0.43},
            "no sign of masked gradients in 2 of 8 checks, those that were possible",
        ),
        (
            {"pgd-20_0.1_accuracy": 0.4},
            "whether gradients are masked was not looked at: attack with more than one attack or ε",
        ),
    ],
)
def test_the_verdict_is_one_line_with_its_reasons(metrics, verdict):
    found = masking_verdict({"accuracy": 0.9, **metrics})
    assert str(found) == verdict
    assert found.masked is {"g": True, "n": False, "w": None}[verdict[0]]


def test_autoattack_does_not_vouch_for_gradients_that_square_had_to_do_without():
    """Its last attack sees none, so that PGD is still compared with noise and FGSM by itself."""
    metrics = {"autoattack_0.1_accuracy": 0.1, "pgd-20_0.1_accuracy": 0.8, "noise-9_0.1_accuracy": 0.6}
    found = findings({"accuracy": 0.9, **metrics})
    assert found["black box"].startswith("an attack without gradients beats those with them")


def test_square_may_add_five_of_a_thousand_and_not_six():
    """Whatever the accuracies are that these lie between, and however they are rounded."""
    for left in range(6, 1001):
        for more in (5, 6):
            square = {
                "autoattack_1_accuracy": (left - more) / 1000,
                "autoattack_1_left_by_fab-t": left / 1000,
            }
            assert bool(findings(square)["AutoAttack's Square"]) is (more == 6), left


class Quantised(nn.Module):
    """Inputs in seven steps: rounding has a gradient of zero everywhere."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        return self.inner((images * 6).round() / 6)


@pytest.mark.parametrize("masks", [False, True])
def test_autoattack_finds_a_quantised_input_out(monkeypatch, masks):
    monkeypatch.setattr(parts, "STANDARD", parts.Budget(steps=10, queries=300))
    torch.manual_seed(1)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 3))
    model = Quantised(plain) if masks else plain
    images = torch.rand(60, 1, 8, 8)
    labels = model(images).argmax(1)
    (case,) = parse_grid("autoattack:0.1")
    left, generator = {}, torch.Generator().manual_seed(0)
    with attacking(model):
        for name in PARTS:
            found = part(name, Pixels(model, images), labels, case.epsilon, generator)
            right = model(found).argmax(1) == labels
            images, labels = images[right], labels[right]
            left[case.left_by(name)] = len(labels) / 60
    verdict = masking_verdict({"accuracy": 1.0, case.metric: left[case.left_by("square")], **left})
    assert verdict.masked is masks
    assert ("Square fools" in str(verdict)) is masks


@pytest.mark.parametrize(
    ("clean", "one", "many", "misled"),
    [
        (0.96, 0.90, 0.02, True),
        (0.96, 0.97, 0.20, True),
        (0.96, 0.70, 0.02, False),
        (0.96, 0.90, 0.30, False),
        (0.5, 0.40, 0.02, True),
    ],
)
def test_a_model_that_only_one_step_does_not_fool_is_found_out(clean, one, many, misled):
    """As training on FGSM alone ends: Wong et al. (2020) call it catastrophic overfitting."""
    found = findings({"accuracy": clean, "fgsm_0.2_accuracy": one, "pgd-20_0.2_accuracy": many})
    expected = f"one step is misled at ε 0.2: {one:.1%} under fgsm, {many:.1%} under pgd-20"
    assert found["steps"] == (expected.replace("%", " %") if misled else "")
    other = findings({"accuracy": clean, "fgsm_0.2_accuracy": one, "pgd-20_0.1_accuracy": many})
    assert other["steps"] is None, "of another ε"


def test_what_was_left_is_no_accuracy_under_another_attack():
    case = Case.parse("autoattack-of-50", 0.031)
    for name in PARTS:
        assert Case.of_metric(f"test_{case.left_by(name)}") is None
    assert Case.of_metric(f"test_{case.metric}") == case
