"""Arithmetic as a setting of a trial."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dropattack import LossScale, UsageError
from trainables.lanes import recurrent
from trainables.lanes.loop import Lanes, lane_structure
from trainables.recipe import updates
from trainables.recipe.precision import arithmetic
from trainables.training.loop import Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named


def trial(precision: str, seed: int = 0) -> Trial:
    settings = TrainingSettings(epochs=1, train_size=64, precision=precision)
    hyperparameters = {"targets": "input+conv1.w", "epsilon": 0.5}
    return Trial.make("digits-lenet5", "dropattack", hyperparameters, settings, seed, "c")


def flags() -> list[bool]:
    return [torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32]


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("tf32", True), ("bfloat16", False)])
def test_flags_hold_within_and_are_restored(precision: str, expected: bool) -> None:
    before = flags()
    with arithmetic(precision):
        assert flags() == [expected] * 2
        with torch.backends.cudnn.flags(enabled=False):
            pass
    assert flags() == before


def test_precision_is_part_of_a_trial() -> None:
    assert len({trial(precision).key for precision in ("float32", "tf32", "bfloat16", "float16")}) == 4


def test_bfloat16_is_the_steps_alone() -> None:
    data = workload_named("digits-lenet5").load(Path("unused"))
    exact, rounded = (Training(trial(precision), data) for precision in ("float32", "bfloat16"))
    assert exact.method.task.autocast is None
    assert rounded.method.task.autocast is torch.bfloat16
    assert {parameter.dtype for parameter in rounded.model.parameters()} == {torch.float32}


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """Flags of who calls, unlike those of any trial: cuDNN's algorithms are deterministic, TF32 is mixed."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = True, True, False
    yield
    cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = before


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small file of texts for each split."""
    root = tmp_path_factory.mktemp("data")
    (root / "texts").mkdir()
    for name in ("train", "valid", "test"):
        lines = [f"{'good fine' if i % 2 else 'bad'} word{i % 7} {name}{i},{i % 2}" for i in range(40)]
        (root / "texts" / f"{name}.csv").write_text("\n".join(["text,label", *lines]))
    return root


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", False), ("tf32", True), ("bfloat16", False), ("float16", False)]
)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits-lenet5", {"examples": "both", "robustness": "fgsm:0.1+pgd-2:0.1+noise-2:0.1"}),
        ("texts-bigru", {"robustness": "fgm:1+pgd-l2-2:1", "best_by": "fgm_1_accuracy"}),
    ],
)
def test_every_pass_of_a_trial_is_in_its_arithmetic_and_attacks_change_nothing_of_it(
    texts: Path, precision: str, expected: bool, name: str, options: dict[str, str]
) -> None:
    workload = workload_named(name)
    settings = TrainingSettings(epochs=1, train_size=20, precision=precision, **options)
    asked = Trial.make(name, "dropattack", {"targets": "input"}, settings, 0, workload.checksum(texts))
    training = Training(asked, workload.load(texts))
    seen: list[tuple[bool, ...]] = []

    def note(*_: object) -> None:
        seen.append((*flags(), torch.backends.cudnn.deterministic))

    training.model.register_forward_hook(note)
    training.epoch()
    assert set(seen) == {(expected, expected, True)}
    assert flags() == [False, True], "as who calls has set them"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_layers_of_a_bfloat16_trial_compute_in_float32_alone_and_in_lanes(
    texts: Path, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    workload = workload_named("texts-bigru")
    seen: set[tuple[bool, torch.dtype]] = set()

    def noting(compute: Callable[..., Any]) -> Callable[..., Any]:
        def compute_and_note(*inputs: Any) -> Any:
            found = compute(*inputs)
            seen.add((torch.is_autocast_enabled("cpu"), found[0].dtype))
            return found

        return compute_and_note

    for kind in ("lstm", "gru"):
        monkeypatch.setattr(torch, kind, noting(getattr(torch, kind)))
        monkeypatch.setattr(recurrent, f"_{kind}", noting(getattr(recurrent, f"_{kind}")))
    settings = TrainingSettings(epochs=1, train_size=20, precision="bfloat16")
    model = {"dropout": 0.0, "cell": cell, "hidden": 20}
    checksum = workload.checksum(texts)
    trials = [
        Trial.make(
            "texts-bigru",
            "dropattack",
            {"targets": "input", "epsilon": e},
            settings,
            0,
            checksum,
            model=model,
        )
        for e in (0.5, 1.0)
    ]
    data = workload.load(texts)
    alone = [Training(one, data).epoch() for one in trials]
    lanes = Lanes.of(trials, data).epoch()
    assert seen == {(False, torch.float32)}
    for one, metrics in zip(trials, alone, strict=True):
        assert lanes[one.key]["train_loss"] == pytest.approx(metrics["train_loss"], abs=2e-3)


@pytest.mark.parametrize("method", ["standard", "dropattack", "sam"])
def test_a_float16_trial_is_near_that_in_float32(method: str) -> None:
    """Under SGD, whose steps are as long as the gradient; pooling and ReLU switch where numbers are close."""
    data = workload_named("digits-lenet5").load(Path("unused"))
    weights = []
    for precision in ("float32", "float16"):
        settings = TrainingSettings(epochs=1, train_size=256, precision=precision, optimizer="sgd")
        settings = replace(settings, learning_rate=0.1, batch_size=32, accumulate=2)
        training = Training(Trial.make("digits-lenet5", method, {}, settings, 0, "c"), data)
        start = torch.cat([p.detach().flatten().clone() for p in training.model.parameters()])
        assert training.epoch()["train_skipped_updates"] == 0
        weights.append(torch.cat([p.detach().flatten() for p in training.model.parameters()]) - start)
    assert (weights[1] - weights[0]).norm() <= 0.1 * weights[0].norm()


@pytest.mark.parametrize("method", ["dropattack", "freeat"])
def test_a_float16_trial_resumes_bit_for_bit_while_its_factor_falls_and_rises(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "scaling_for", lambda precision: LossScale(2.0**30, interval=5))
    data = workload_named("digits-lenet5").load(Path("unused"))
    settings = TrainingSettings(epochs=4, train_size=128, batch_size=16, precision="float16")
    asked = Trial.make("digits-lenet5", method, {}, settings, 0, "c")
    whole, begun = Training(asked, data), Training(asked, data)
    histories: list[list[float]] = []
    for training in (whole, begun):
        histories.append([])
        for _ in range(2):
            training.epoch()
            histories[-1].append(float(training.state_dict()["scaling"]["factor"]))
    state = copy.deepcopy(begun.state_dict())
    resumed = Training(asked, data)
    resumed.load_state_dict(state)
    for training in (whole, resumed):
        for _ in range(2):
            training.epoch()
    assert histories[0] == histories[1]
    assert histories[0][0] < 2.0**30, "the factor has fallen"
    for name, value in whole.state_dict()["scaling"].items():
        assert torch.equal(value, resumed.state_dict()["scaling"][name])
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert sum(epoch["train_skipped_updates"] for epoch in whole.history) > 0


def test_a_trial_that_scales_nothing_keeps_no_factor() -> None:
    data = workload_named("digits-lenet5").load(Path("unused"))
    assert "scaling" not in Training(trial("bfloat16"), data).state_dict()


def test_float16_is_no_lane() -> None:
    with pytest.raises(UsageError, match="lanes do not scale their losses"):
        lane_structure(trial("float16"))
