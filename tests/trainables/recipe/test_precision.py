"""Arithmetic as a setting of a trial."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.lanes import recurrent
from trainables.lanes.loop import Lanes
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
    assert len({trial(precision).key for precision in ("float32", "tf32", "bfloat16")}) == 3


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
@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("tf32", True), ("bfloat16", False)])
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
