"""Whole trials as lanes, against the same trials trained alone."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dropattack import Batch, UsageError
from trainables.data.dataset import Data
from trainables.data.splits import ImageSplit, TextSplit
from trainables.lanes.loop import Lanes, stackable
from trainables.saved import load_model
from trainables.tensors import save_atomically
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial
from trainables.workloads import TrainingSettings, workload_named

EPOCHS_APART = {"rtol": 0, "atol": 1e-8}
"""Of parameters in double precision. In single precision Adam moves a weight whose gradient is nothing but
rounding error by a whole step in the direction of that error, so that no bound would say anything."""


class Exact(ImageSplit):
    """Images in double precision."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        for images, labels in super().batches(size, generator):
            assert isinstance(images, Tensor)
            yield images.double(), labels

    def take(self, indices: Tensor) -> Batch:
        images, labels = super().take(indices)
        assert isinstance(images, Tensor)
        return images.double(), labels

    def joined(self, others: Sequence[ImageSplit]) -> "Exact":
        return Exact(**vars(super().joined(others)))

    def subset(self, indices: Tensor) -> "Exact":
        return Exact(**vars(super().subset(indices)))

    def to(self, device: torch.device) -> "Exact":
        return self


def exact(one: Trial, data: Data) -> Training:
    """A training in double precision."""
    training = Training(one, data)
    training.model.double()
    return training


def exact_lanes(trials: Sequence[Trial], data: Data) -> Lanes:
    return Lanes([exact(one, data) for one in trials])


def alone(one: Trial, data: Data, epochs: int) -> Training:
    training = exact(one, data)
    for _ in range(epochs):
        training.epoch()
    return training


def trial(hyperparameters: dict[str, Any] | None = None, seed: int = 0, **options: Any) -> Trial:
    method = "standard" if hyperparameters is None else "dropattack"
    options = {"epochs": 2, "train_size": 200, **options}
    return Trial.make("digits-lenet5", method, hyperparameters or {}, TrainingSettings(**options), seed, "c")


def attacks(**shared: Any) -> list[Trial]:
    """Trials that differ in all numbers that lanes may differ in."""
    return [
        trial({"targets": "input+conv1.w", "epsilon": 5.0, "p": 0.5, **shared}, seed=0),
        trial({"targets": "input+conv1.w", "epsilon": 0.0, "p": 0.9, **shared}, seed=1, learning_rate=2e-3),
        trial({"targets": "input+fc1.b", "epsilon": 0.5, "p": 1.0, **shared}, seed=1, learning_rate=5e-4),
    ]


@pytest.fixture(scope="module")
def plain() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


@pytest.fixture(scope="module")
def data(plain: Data) -> Data:
    train, valid, test = (Exact(**vars(split)) for split in (plain.train, plain.valid, plain.test))
    return replace(plain, train=train, valid=valid, test=test)


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if "seconds" not in name}


def assert_same(lane: Training, other: Training) -> None:
    for found, expected in zip(lane.history, other.history, strict=True):
        assert timeless(found) == pytest.approx(timeless(expected), rel=1e-5, abs=1e-6)
        assert [found[n] for n in found if "accuracy" in n] == [expected[n] for n in found if "accuracy" in n]
    assert lane.confusion == other.confusion
    assert torch.equal(lane.shuffling.get_state(), other.shuffling.get_state())
    assert torch.equal(lane._masks.get_state(), other._masks.get_state())
    for name, value in other.model.state_dict().items():
        torch.testing.assert_close(lane.model.state_dict()[name], value, **EPOCHS_APART)


@pytest.mark.parametrize("k", [1, 3])
def test_lanes_are_their_trials_alone(data: Data, k: int) -> None:
    trials = attacks(k=k)
    lanes = exact_lanes(trials, data)
    for _ in range(2):
        lanes.epoch()
    for one in trials:
        assert_same(lanes.training(one.key), alone(one, data, 2))


def test_robustness_of_lanes_is_that_of_their_trials_alone(data: Data) -> None:
    options = {"epochs": 1, "robustness": "fgsm:0.1", "best_by": "fgsm_0.1_accuracy"}
    trials = [trial(seed=seed, **options) for seed in (0, 1)]
    lanes = exact_lanes(trials, data)
    lanes.epoch()
    for one in trials:
        expected = alone(one, data, 1)
        assert "test_fgsm_0.1_accuracy" in expected.history[0]
        assert_same(lanes.training(one.key), expected)


def test_standard_trials_and_p_of_zero_share_a_stack(data: Data) -> None:
    trials = [trial(seed=0), trial({"p": 0}, seed=1)]
    assert len(stackable(trials)) == 1
    lanes = exact_lanes(trials, data)
    lanes.epoch()
    for one in trials:
        assert_same(lanes.training(one.key), alone(one, data, 1))


def test_dropped_lanes_leave_the_others_alone(data: Data) -> None:
    trials = attacks()
    lanes = exact_lanes(trials, data)
    first = lanes.epoch()
    assert set(first) == {one.key for one in trials}
    lanes.drop(trials[1].key)
    assert set(lanes.epoch()) == {trials[0].key, trials[2].key}
    for one in (trials[0], trials[2]):
        assert_same(lanes.training(one.key), alone(one, data, 2))


def test_a_lane_goes_on_alone_and_back_from_a_checkpoint(data: Data, tmp_path: Path) -> None:
    """Epoch 1 as a lane, 2 alone, 3 as a lane again, beside one that is an epoch behind."""
    one, other = (trial({"targets": "conv1.w", "epsilon": e}, epochs=3) for e in (0.5, 2.0))
    lanes = exact_lanes([one, other], data)
    lanes.epoch()
    save_atomically(lanes.training(one.key).state_dict(), tmp_path / "one.pt")
    save_atomically(lanes.training(other.key).state_dict(), tmp_path / "other.pt")
    resumed = exact(one, data)
    resumed.load_state_dict(torch.load(tmp_path / "one.pt", weights_only=True))
    resumed.epoch()
    behind = exact(other, data)
    behind.load_state_dict(torch.load(tmp_path / "other.pt", weights_only=True))
    lanes = Lanes([resumed, behind])
    lanes.epoch()
    assert_same(lanes.training(one.key), alone(one, data, 3))
    assert_same(lanes.training(other.key), alone(other, data, 2))


def test_the_result_of_a_lane_loads_as_a_model(plain: Data, tmp_path: Path) -> None:
    one = trial({"targets": "conv1.w"}, epochs=1)
    lanes = Lanes.of([one, trial({"targets": "conv1.w", "epsilon": 1.0}, epochs=1)], plain)
    metrics = lanes.epoch()[one.key]
    assert not isinstance(metrics, DivergedError)
    save_atomically(lanes.training(one.key).result(), tmp_path / "model.pt")
    saved = load_model(tmp_path / "model.pt")
    assert saved.test == {name: value for name, value in metrics.items() if name.startswith("test_")}
    with torch.no_grad():
        outputs = saved.model(plain.test.images.float() / 255)
    assert (outputs.argmax(1) == plain.test.labels).double().mean().item() == metrics["test_accuracy"]


def test_a_lane_that_diverges_is_dropped_and_the_others_do_not_notice(data: Data) -> None:
    trials = attacks()
    broken = exact(trials[1], data)
    with torch.no_grad():
        broken.model.fc3.bias[0] = float("nan")
    lanes = Lanes([exact(trials[0], data), broken, exact(trials[2], data)])
    found = lanes.epoch()
    assert isinstance(found[trials[1].key], DivergedError)
    assert set(lanes.keys) == {trials[0].key, trials[2].key}
    assert_same(lanes.training(trials[0].key), alone(trials[0], data, 1))


def test_the_last_lane_may_be_dropped(plain: Data) -> None:
    lanes = Lanes.of([trial()], plain)
    lanes.drop(*lanes.keys)
    assert len(lanes) == 0


def test_trials_are_grouped_by_what_they_share() -> None:
    one, other = attacks()[:2]
    dropout = Trial.make("digits-lenet5", "standard", {}, TrainingSettings(), 0, "c", model={"dropout": 0.1})
    groups = stackable(
        [
            one,
            trial({"targets": "conv1.w"}),
            other,
            replace(one, method="sam", hyperparameters={}),
            dropout,
            replace(dropout, seed=1),
            trial(epochs=3),
            replace(trial(epochs=3), seed=4),
            trial(examples="adversarial"),
        ]
    )
    assert [len(group) for group in groups] == [2, 1, 1, 1, 1, 2, 1]


def test_trials_that_differ_in_more_than_numbers_are_refused(plain: Data) -> None:
    with pytest.raises(UsageError, match="group them with `stackable`"):
        Lanes.of([trial(batch_size=32), trial(batch_size=64)], plain)


def texts(count: int, seed: int) -> TextSplit:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 9, (count,), generator=generator)
    tokens = torch.randint(2, 40, (count, 8), generator=generator, dtype=torch.int32)
    labels = (tokens[:, 0] > 20).long()
    return TextSplit(tokens.masked_fill(torch.arange(8) >= lengths[:, None], 1), lengths, labels)


@pytest.mark.parametrize(
    ("workload", "model", "hidden"),
    [
        ("imdb-lstm", {"hidden": 6}, "lstm.ih.w"),
        ("agnews-bigru", {"hidden": 4}, "gru2.ih.w.reverse"),
        ("imdb-textcnn", {"channels": 4}, "conv2.w"),
        ("imdb-textrcnn", {"hidden": 4, "features": 5}, "fc1.w"),
    ],
)
def test_texts_in_batches_of_different_sizes(workload: str, model: dict[str, int], hidden: str) -> None:
    """A lane's smaller batch stands somewhere else in every lane's order, and lengths differ."""
    extras: dict[str, Tensor | int | None] = {"vocabulary_size": 40, "vectors": None}
    data = Data(texts(70, 0), texts(30, 1), texts(20, 2), 2, "c", extras=extras)
    settings = TrainingSettings(epochs=2, batch_size=16)
    trials = [
        Trial.make(
            workload,
            "dropattack",
            {"targets": f"input+{hidden}", "epsilon": epsilon, "p": p, "k": 2},
            settings,
            seed,
            "c",
            model={"embedding_size": 5, **model},
        )
        for epsilon, p, seed in ((0.5, 0.5, 0), (2.0, 0.9, 1), (0.0, 0.3, 2))
    ]
    lanes = exact_lanes(trials, data)
    for _ in range(2):
        lanes.epoch()
    for one in trials:
        assert_same(lanes.training(one.key), alone(one, data, 2))


def test_lanes_and_their_benchmark_need_nothing_but_torch() -> None:
    """A bare GPU machine has torch, with what torch itself requires, and nothing else."""
    program = """
import sys

class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Bare())
import benchmarks.gpu.__main__
import benchmarks.gpu.worker
from benchmarks.gpu.tables import TABLES
TABLES["table10"].group()
"""
    absent = ["ray", "mlflow", "optuna", "torchtext", "torchvision", "pandas", "sklearn", "scipy", "numpy"]
    absent += ["platformdirs", "pydantic", "yaml", "requests", "matplotlib", "pyarrow"]
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", program, *absent], cwd=root, check=True)
