"""Loss surfaces and sharpness against explicit Hessians and formulas."""

import copy
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from analysis.questions import landscape, sharpness
from analysis.report import write_report
from analysis.sections import landscape as part
from dropattack import UsageError
from tests.analysis import synthetic
from trainables.data.splits import ImageSplit


@pytest.fixture
def split() -> ImageSplit:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 3, 3), generator=generator, dtype=torch.uint8)
    return ImageSplit(images, torch.randint(0, 3, (40,), generator=generator))


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3))


@pytest.fixture
def models() -> dict[str, Any]:
    return {
        name: (network(seed), copy.deepcopy(network(seed).state_dict())) for seed, name in enumerate("ab")
    }


def test_directions_have_the_norm_of_every_filter() -> None:
    model = network(0)
    found = landscape.direction(model, 3)
    assert set(found) == {"0.weight", "4.weight"}
    for name, weight in model.named_parameters():
        if name in found:
            torch.testing.assert_close(
                found[name].flatten(1).norm(dim=1), weight.detach().flatten(1).norm(dim=1)
            )


def test_models_share_the_random_numbers() -> None:
    """Up to the norm of each filter two models' directions are one; another seed's is another."""
    a, b, other = (landscape.direction(network(s), d)["4.weight"] for s, d in ((0, 5), (1, 5), (0, 6)))
    torch.testing.assert_close(F.normalize(a), F.normalize(b))
    assert not torch.allclose(F.normalize(a), F.normalize(other))


def test_surface_equals_direct_evaluation(models: dict[str, Any], split: ImageSplit) -> None:
    calls: list[tuple[int, int]] = []
    table = landscape.surface(models, split, steps=3, reach=1.0, seed=2, progress=lambda *c: calls.append(c))
    model = network(1).eval()
    first, second = landscape.direction(network(1), 4), landscape.direction(network(1), 5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name in first:
                weight += 1.0 * first[name] - 1.0 * second[name]
        loss = F.cross_entropy(model(split.images.float() / 255), split.labels).item()
    row = table.query("label == 'b' and delta == 1 and eta == -1").iloc[0]
    assert row["loss"] == pytest.approx(loss, rel=1e-5)
    assert calls[-1] == (18, 18)


def test_models_are_left_as_they_were(models: dict[str, Any], split: ImageSplit) -> None:
    landscape.line(models, split, steps=3)
    sharpness.sharpness(models, split, iterations=2)
    for model, state in models.values():
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert model.training


def test_a_models_own_state_will_do(models: dict[str, Any], split: ImageSplit) -> None:
    """It shares the model's memory, so that it moves as the model is moved."""
    own = {name: (model, model.state_dict()) for name, (model, _) in models.items()}
    for measure in (
        lambda models: landscape.line(models, split, steps=3),
        lambda models: landscape.surface(models, split, steps=3),
        lambda models: sharpness.sharpness(models, split, iterations=2),
    ):
        moved = measure(own)
        for name, (model, _) in own.items():
            assert all(torch.equal(v, models[name][1][n]) for n, v in model.state_dict().items())
        pd.testing.assert_frame_equal(moved, measure(models))


def test_line_is_the_middle_of_the_surface(models: dict[str, Any], split: ImageSplit) -> None:
    line = landscape.line(models, split, steps=5)
    middle = landscape.surface(models, split, steps=5).query("eta == 0")
    assert line["loss"].tolist() == pytest.approx(middle["loss"].tolist())


def explicit_hessian(model: nn.Module, split: ImageSplit) -> torch.Tensor:
    names = [name for name, _ in model.named_parameters()]
    shapes = [p.shape for p in model.parameters()]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = flat.split([s.numel() for s in shapes])
        weights = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        outputs = torch.func.functional_call(model, weights, (split.images.double() / 255,))
        return F.cross_entropy(outputs, split.labels)

    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    hessian: torch.Tensor = torch.autograd.functional.hessian(loss, flat)
    return hessian


class Doubled(ImageSplit):
    """Batches in double precision."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Any:
        return ((images.double(), labels) for images, labels in super().batches(size, generator))


def test_top_eigenvalue_equals_the_explicit_hessian(split: ImageSplit) -> None:
    model = network(0).double().eval()
    eigenvalues = torch.linalg.eigvalsh(explicit_hessian(model, split))
    expected = eigenvalues[eigenvalues.abs().argmax()].item()
    double = Doubled(split.images, split.labels)
    found = sharpness.top_eigenvalue(model, double, iterations=500, tolerance=1e-9)
    assert found == pytest.approx(expected, rel=1e-4)


def test_sam_sharpness_of_a_linear_loss_is_rho_times_the_gradient(split: ImageSplit) -> None:
    """For small ρ, L(θ + ρg/‖g‖) - L(θ) = ρ‖g‖."""
    model = network(0).double().eval()
    double = Doubled(split.images, split.labels)
    loss = F.cross_entropy(model(split.images.double() / 255), split.labels)
    norm = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]).norm().item()
    assert sharpness.sam_sharpness(model, double, 1e-5) == pytest.approx(1e-5 * norm, rel=1e-3)


def test_gradient_norms_equal_autograd(split: ImageSplit) -> None:
    model = network(0).eval()
    inputs = (split.images.float() / 255).requires_grad_()
    loss = F.cross_entropy(model(inputs), split.labels)
    weights = [p for p in model.parameters() if p.dim() > 1]
    of_input, *of_weights = torch.autograd.grad(loss, [inputs, *weights])
    found = sharpness.gradient_norms(model, split)
    assert found[0] == pytest.approx(of_input.norm().item(), rel=1e-5)
    assert found[1] == pytest.approx(torch.cat([g.flatten() for g in of_weights]).norm().item(), rel=1e-5)


def measured(label: str, loss: float, **sharp: float) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A bowl whose lowest loss is ``loss``, and made-up sharpness, 1 where nothing else is said."""
    delta = np.linspace(-1, 1, 5)
    line = pd.DataFrame({"label": label, "delta": delta, "loss": loss + delta**2, "accuracy": 0.9})
    x, y = (axis.ravel() for axis in np.meshgrid(delta, delta))
    surface = pd.DataFrame(
        {"label": label, "delta": x, "eta": y, "loss": loss + x**2 + y**2, "accuracy": 0.9}
    )
    return line, surface, pd.DataFrame([dict.fromkeys(part.MEASURES, 1.0) | sharp | {"label": label}])


def bowls(**sharp: float) -> list[pd.DataFrame]:
    """Two models; ``sharp`` is the second one's sharpness."""
    pairs = zip(measured("deep", 0.1), measured("high", 0.2, **sharp), strict=True)
    return [pd.concat(pair, ignore_index=True) for pair in pairs]


def test_measures_of_flatness_that_agree_and_that_do_not() -> None:
    agreed = part.section(*bowls(**dict.fromkeys(part.MEASURES, 0.5))).findings[1]
    assert agreed.startswith(
        "The flattest is high by top eigenvalue (0.5), SAM sharpness (0.5), ‖∇ input‖ (0.5)"
    )
    assert "The measures agree." in agreed
    torn = part.section(*bowls(top_eigenvalue=-3.0, sam_sharpness=0.25)).findings[1]
    assert "deep by top eigenvalue (1), ‖∇ input‖ (1)" in torn, "an eigenvalue of -3 is not flat"
    assert "high by SAM sharpness (0.25). The measures disagree" in torn


def test_landscapes_of_two_workloads_stand_side_by_side(tmp_path: Path) -> None:
    sections = [part.section(*measured(model, 1.0), workload) for workload, model in (("v", "A"), ("w", "B"))]
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=[0])
    page = write_report(synthetic.records(frame), tmp_path, ("html", "csv", "svg"), sections).read_text()
    drawings = dict(re.findall(r"<desc[^>]*>Lines for (.)\.</desc>(.*?)</svg>", page, flags=re.DOTALL))
    assert ">A<" in drawings["A"]
    assert ">B<" in drawings["B"]
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    assert "w: along one direction" in page
    assert {"sharpness-w.csv", "sharpness-v.csv"} <= {path.name for path in (tmp_path / "tables").iterdir()}


def test_two_parts_of_one_name_are_refused(tmp_path: Path) -> None:
    sections = [part.section(*measured(model, 1.0)) for model in "AB"]
    frame = synthetic.trials(targets=["input"], epsilons=[5], ps=[0.5], seeds=[0])
    with pytest.raises(UsageError, match="two parts of a report have the name 'landscape'"):
        write_report(synthetic.records(frame), tmp_path, extra=sections)
    other = dataclasses.replace(sections[1], name="other")
    with pytest.raises(UsageError, match="two parts of a report have the name 'landscape-line'"):
        write_report(synthetic.records(frame), tmp_path, extra=[sections[0], other])
