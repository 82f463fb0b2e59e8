"""Attacks away from the CPU: their numbers, and the arithmetic that they are made in."""

import pytest
import torch

from tests.gpu.conftest import Away
from tests.gpu.trials import IMAGES, TEXTS, data, trial
from trainables.recipe.precision import arithmetic
from trainables.training.loop import Training
from trainables.training.under_attack import Evaluation

GRIDS = {
    IMAGES: "fgsm:0.1+fgm:0.1+pgd-2:0.1+pgd-l2-2:0.1+margin-2:0.1+noise-2:0.1+square-3:0.1",
    TEXTS: "fgm:1+pgd-l2-2:1+noise-l2-2:1",
}


@pytest.mark.parametrize("workload", [IMAGES, TEXTS])
def test_accuracies_under_attack_are_those_of_the_cpu(workload: str, away: Away) -> None:
    """Up to an example or two of twelve, as random starts differ between devices."""
    asked, own = trial(workload, robustness=GRIDS[workload]), data(workload)
    torch.manual_seed(0)
    model = asked.architecture.build(own)
    evaluation, cases = Evaluation.of(asked, own), asked.training_settings.cases
    expected = evaluation.metrics(model, own.test, cases)
    with away() as device:
        found = evaluation.metrics(model.to(device), own.test.to(device), cases)
    assert found == pytest.approx(expected, abs=0.17)


@pytest.mark.gpu
def test_autoattack_leaves_on_a_gpu_what_it_leaves_on_the_cpu(
    gpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchattacks", reason="AutoAttack needs the extra autoattack")
    from dropattack.robustness import parts

    monkeypatch.setattr(parts, "STANDARD", parts.Budget(steps=10, targets=3, queries=100))
    asked, own = trial(IMAGES, robustness="autoattack:0.01"), data(IMAGES)
    torch.manual_seed(0)
    model = asked.architecture.build(own)
    evaluation, cases = Evaluation.of(asked, own), asked.training_settings.cases
    expected = evaluation.metrics(model, own.test, cases)
    found = evaluation.metrics(model.to(gpu), own.test.to(gpu), cases)
    assert found == pytest.approx(expected, abs=0.17)


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_an_epoch_and_its_attacks_are_in_the_trials_arithmetic(precision: str, away: Away) -> None:
    asked = trial(IMAGES, "pgd", {"k": 1}, epochs=1, robustness="pgd-2:0.1", precision=precision)
    kinds = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [kind.allow_tf32 for kind in kinds]
    seen = set()
    with away() as device:
        training = Training(asked, data(IMAGES), device)
        training.model.register_forward_pre_hook(lambda *_: seen.update(kind.allow_tf32 for kind in kinds))
        training.epoch()
    assert seen == {precision == "tf32"}
    assert [kind.allow_tf32 for kind in kinds] == before


@pytest.mark.gpu
def test_float32_is_float32_in_products_and_convolutions(gpu: torch.device) -> None:
    """Products of numbers with 20 bits of fraction, which TF32 would round to 10."""
    torch.manual_seed(0)
    left, images, kernels = torch.rand(64, 64), torch.rand(2, 8, 12, 12), torch.rand(8, 8, 3, 3)
    for compute, inputs in ((torch.mm, (left, left)), (torch.nn.functional.conv2d, (images, kernels))):
        exact = compute(*[tensor.double() for tensor in inputs])
        with arithmetic("float32"):
            found = compute(*[tensor.to(gpu) for tensor in inputs]).cpu().double()
        assert ((found - exact).norm() / exact.norm()).item() < 1e-5
