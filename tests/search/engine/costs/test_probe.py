"""A probe of a trainer that takes known times, and of real ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dropattack import UsageError
from dropattack.robustness import Case, parts
from search.engine.costs import probe as probing
from search.engine.costs.portions import Portion, of_trials
from search.engine.costs.probe import probe
from trainables.data.dataset import Data
from trainables.data.splits import Split, TextSplit
from trainables.recipe.settings import TrainingSettings
from trainables.training.loop import Training
from trainables.training.under_attack import Evaluation
from trainables.trial import Trial
from trainables.workloads import workload_named

RATE = {"standard": 0.001, "dropattack": 0.004, "pgd": 0.002}
"""Seconds of a pass over one example, by method."""
TRAINED: list[str] = []


class Timed(Training):
    """Says of every epoch after the first that it took what `RATE` has, and trains nothing."""

    clock = 0.0

    def epoch(self) -> dict[str, float]:
        TRAINED.append(self.trial.method)
        passes = self.trial.passes_in(len(self.history) + 1) * len(self.train)
        seconds = passes * RATE[self.trial.method] * (10 if len(TRAINED) == 1 else 1)
        Timed.clock += seconds
        self.history.append({"train_seconds": seconds, "seconds": seconds})
        return self.history[-1]


def digits() -> Data:
    return workload_named("digits-lenet5").load(Path("unused"))


def portions(*methods: str, **training: Any) -> list[Portion]:
    settings = TrainingSettings(**training)
    trials = [Trial.make("digits-lenet5", method, {}, settings, 0, "data") for method in methods]
    return of_trials(trials)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    TRAINED.clear()
    Timed.clock = 0.0
    monkeypatch.setattr(probing, "Training", Timed)
    monkeypatch.setattr(probing, "_clock", lambda device: Timed.clock)


@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize("batch_size", [16, 128])
def test_it_finds_each_methods_time_of_a_pass(batch_size: int) -> None:
    found = probe(portions("dropattack", "standard", "pgd", batch_size=batch_size), digits(), seconds=1e9)
    assert found.passes == pytest.approx(RATE)
    assert found.source == "probe"


@pytest.mark.usefixtures("timed")
def test_without_time_it_measures_the_cheapest_method_alone() -> None:
    wanted = portions("dropattack", "standard", "pgd")
    found = probe(wanted, digits(), seconds=0.0)
    assert found.passes == pytest.approx({"standard": RATE["standard"]})
    dropattack = next(portion for portion in wanted if portion.trial.method == "dropattack")
    beside = dropattack.epochs * found.validation + dropattack.trials * found.test
    assert found.seconds(dropattack, 500) - beside == pytest.approx(
        dropattack.passes * 500 * RATE["standard"]
    )


def test_it_leaves_threads_and_draws_as_they_were() -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    found = probe(portions("standard", robustness="fgsm-of-20:0.1+pgd-2-of-10:0.1"), digits())
    plain = probe(portions("standard"), digits())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert min(*found.passes.values(), found.validation, plain.test) > 0
    assert found.test > 0


def test_autoattack_is_counted_by_its_passes_and_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PARTS", {})
    seconds = {"pgd": 3.0, "noise": 1.0}

    def accuracy(attacks: Evaluation, model: nn.Module, split: Split, case: Case) -> float:
        Timed.clock += seconds[case.attack.family] * case.attack.steps * len(split)
        return 1.0

    monkeypatch.setattr(probing, "_clock", lambda device: Timed.clock)
    monkeypatch.setattr(Evaluation, "accuracy", accuracy)
    data = digits()
    found = probe(portions("standard", robustness="autoattack-of-20:0.1"), data)
    assert found.test == pytest.approx(2 * 20 * (1900 * 3.0 + 5900 * 1.0))


def test_what_cannot_be_trained_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("mat1 and mat2\nshapes cannot be multiplied")

    monkeypatch.setattr(probing, "Training", broken)
    with pytest.raises(
        UsageError,
        match=r"digits-lenet5 cannot be probed: RuntimeError: mat1 and mat2 \(test_probe.py:\d+ in broken\)$",
    ):
        probe(portions("standard"), digits())


def test_texts_are_those_of_a_mean_length() -> None:
    """As the batches of a training are, which lie together by length."""
    lengths = torch.tensor([1, 50, 9, 11, 10, 2, 12, 8, 3, 4])
    split = TextSplit(torch.ones(10, 50, dtype=torch.int32), lengths, torch.arange(10))
    assert sorted(probing._typical(split, 3).lengths.tolist()) == [10, 11, 12]  # type: ignore[attr-defined]  # a TextSplit
    assert len(probing._typical(split, 99)) == 10
