"""A workload's model: its targets and sizes, and how it trains, resumes and is saved."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dropattack import Inputs, Task, create, parse_targets
from dropattack.testing.workloads.cases import BATCH, WorkloadCases
from trainables.architecture import Architecture
from trainables.data.dataset import Data
from trainables.saved import load_model
from trainables.tensors import save_atomically
from trainables.training.loop import Training
from trainables.trial import Trial

EPOCHS = 2


def outputs_of(model: nn.Module, inputs: Inputs) -> Tensor:
    """Logits ``[batch, classes]``."""
    logits: Tensor = model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    return logits


def built(architecture: Architecture, data: Data) -> nn.Module:
    """The model, the same for every call."""
    torch.manual_seed(0)
    return architecture.build(data)


def finished(training: Training) -> Training:
    """The same training at its end."""
    while not training.finished:
        training.epoch()
    return training


def same(one: Training, other: Training) -> bool:
    """Whether two trainings agree bit for bit in parameters and metrics, except for their times."""
    histories = [
        [{name: value for name, value in metrics.items() if "seconds" not in name} for metrics in t.history]
        for t in (one, other)
    ]
    weights, others = one.model.state_dict(), other.model.state_dict()
    return histories[0] == histories[1] and all(torch.equal(weights[n], others[n]) for n in weights)


class ModelKept(WorkloadCases):
    """See the module."""

    def _trial(self, data: Data) -> Trial:
        settings = replace(self.found.training, epochs=EPOCHS, batch_size=BATCH)
        data_options, model_options = self.options("data"), self.options("model")
        return Trial.make(
            self.workload, "standard", {}, settings, 0, data.checksum, data_options, model_options
        )

    def _variants(self) -> Iterator[tuple[str, Architecture]]:
        """The model's settings, and variants with every declared choice and smallest value."""
        default = self.architecture
        yield "as it is", default
        for name, allowed in default.ranges().items():
            value = getattr(default, name)
            values: list[Any] = [] if allowed.low is None else [type(value)(allowed.low)]
            values = list(allowed.choices or ([False, True] if isinstance(value, bool) else values))
            for other in values:
                yield f"{name}: {other}", self.found.model_settings({**self.options("model"), name: other})

    def test_every_choice_of_the_model_builds_and_has_its_targets(self, few: Data) -> None:
        inputs, labels = next(iter(few.valid.batches(BATCH)))
        for named, architecture in self._variants():
            model = built(architecture, few).eval()
            missing = set(architecture.targets.values()) - set(dict(model.named_parameters()))
            assert not missing, f"{named}: targets stand for {missing}, which are no parameters of the model"
            with torch.inference_mode():
                logits = outputs_of(model, inputs)
            assert logits.shape == (len(labels), few.classes), named
            assert bool(logits.isfinite().all()), named

    def test_targets_have_one_spelling(self) -> None:
        names = self.found.target_names(self.architecture)
        for name in names:
            assert list(parse_targets(name)) == [name], (
                f"{name!r} is no name for one target; '+' joins several"
            )
        assert [self.found.canonical_targets(name, self.architecture) for name in names] == names

    def test_every_target_can_be_attacked(self, few: Data) -> None:
        """All of them at once, by DropAttack."""
        model = built(self.architecture, few).train()
        names = self.found.target_names(self.architecture)
        generator = torch.Generator().manual_seed(0)
        loss = self.found.objective.loss(few.train, few, 0.0)
        task = Task(loss, self.architecture.targets, generator, words=few.words)
        method = create("dropattack", task=task, targets="+".join(names), epsilon=0.1)
        batch = next(iter(few.train.batches(BATCH)))
        start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        result = method.step(model, batch, torch.optim.SGD(model.parameters(), lr=0.0))
        assert result.log["skipped_updates"] == 0
        assert all(torch.equal(start[name], parameter) for name, parameter in model.named_parameters())

    def test_an_examples_logits_do_not_depend_on_its_batch(self, few: Data) -> None:
        model = built(self.architecture, few).eval()
        order = few.valid.order(BATCH, torch.Generator().manual_seed(0))[0]
        with torch.inference_mode():
            together = outputs_of(model, few.valid.take(order)[0])
            for index, logits in list(zip(order, together, strict=True))[:5]:
                alone = outputs_of(model, few.valid.take(index[None])[0])[0]
                assert torch.allclose(alone, logits, rtol=1e-3, atol=1e-4), (
                    "in eval mode, an example alone and in a batch has different logits"
                )

    def test_training_is_decided_by_the_seed(self, few: Data) -> None:
        trial = self._trial(few)
        trained = []
        for elsewhere in (1, 2):
            torch.manual_seed(elsewhere)
            trained.append(finished(Training(trial, few)))
        assert same(*trained), "one seed gives two results; draw from torch's default generator alone"

    def test_training_resumes_at_the_end_of_an_epoch(self, few: Data, tmp_path: Path) -> None:
        trial = self._trial(few)
        stopped = Training(trial, few)
        stopped.epoch()
        save_atomically(stopped.state_dict(), tmp_path / "checkpoint.pt")
        torch.manual_seed(7)
        resumed = Training(trial, few)
        resumed.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
        assert same(finished(resumed), finished(stopped)), (
            "a training that was stopped and resumed differs; keep what the model changes in buffers"
        )

    def test_a_saved_model_predicts_the_same(self, few: Data, tmp_path: Path) -> None:
        """Without the data: from what `Data.extras` and the file hold."""
        training = finished(Training(self._trial(few), few))
        save_atomically(training.result(), tmp_path / "model.pt")
        saved = load_model(tmp_path / "model.pt", self.found)
        assert saved.trial == training.trial
        found = self.found.objective.measure(saved.model, few.test, few).metrics
        for name, value in found.items():
            assert saved.test[f"test_{name}"] == value, f"loaded again, the model has another {name}"
        training.model.load_state_dict(training.best_model)
        training.model.eval()
        with torch.inference_mode():
            for inputs, _ in few.test.batches(BATCH):
                expected = outputs_of(training.model, inputs)
                assert torch.equal(outputs_of(saved.model, inputs), expected), "loaded again, logits differ"
