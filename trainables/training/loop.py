"""The training loop: one trial, epoch by epoch, without Ray, and resumable at every epoch bit for bit."""

import copy
import math
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from dropattack import Batch, Task, UsageError, method_named
from dropattack.methods.standard import nearest
from trainables.data.dataset import Data
from trainables.data.splits import stratified_subset
from trainables.data.streamed import placed
from trainables.objectives.objective import better
from trainables.recipe.augmentation import augmented, check_augmentation
from trainables.recipe.batches import batch_count, check_last_batch, epoch_batches
from trainables.recipe.examples import training_batch
from trainables.recipe.measured import LEFT_OUT, STOPPED_EARLY, Metrics
from trainables.recipe.metrics import recalls
from trainables.recipe.precision import arithmetic, autocast
from trainables.recipe.splitting import left_out, split_for
from trainables.recipe.updates import Updates
from trainables.saved import encoding
from trainables.training.compiled import check_compilable, compile_passes
from trainables.training.generators import OwnDefault
from trainables.training.under_attack import Evaluation
from trainables.trial import Trial


class DivergedError(RuntimeError):
    """The training loss is no longer a finite number."""


class Training:
    """The state of one trial.

    Everything random comes from generators that the trial's seed alone decides: one each for shuffling and
    masks, and torch's default generator, which initialisation draws from, is put in the trial's own state for
    the time of each call and given back after it. What the model draws in a pass, such as dropout, follows
    from the seed of the masks, the step and the pass.

    Args:
        trial: What to train.
        data: The workload's data.
        device: Where to train.
        compiled: Whether the model's passes are compiled; results then differ by rounding.

    Attributes:
        shuffling: Decides the order of the examples; on the CPU.
        data: The workload's, wherever they lie, as the trial splits them.
        history: Metrics of every epoch so far.
    """

    def __init__(
        self, trial: Trial, data: Data, device: torch.device | None = None, compiled: bool = False
    ) -> None:
        self.trial = trial
        self.device = device or torch.device("cpu")
        self.settings = trial.training_settings
        architecture = trial.architecture
        self._left_out = left_out(self.settings.split, trial.seed, data)
        data = split_for(self.settings.split, trial.seed, trial.seed_for("split"), data)
        train = data.train
        if self.settings.train_size > len(train):
            raise UsageError(
                f"train_size {self.settings.train_size} is more than the {len(train)} examples there are"
            )
        if self.settings.train_size:
            seed = trial.seed_for("subset")
            size, balanced = self.settings.train_size, self.settings.balanced
            train = train.subset(stratified_subset(train.labels, size, seed, balanced))
        self.train, self.valid, self.test = placed((train, data.valid, data.test), self.device)
        self.objective = trial.objective
        self.shuffling = torch.Generator().manual_seed(trial.seed_for("shuffling"))
        self._masks = torch.Generator(self.device).manual_seed(trial.seed_for("masks"))
        self._default = OwnDefault(trial.seed_for("default"), self.device)
        with self._default.drawn_from():
            self.model: nn.Module = architecture.build(data).to(self.device)
        check_last_batch(self.model, self.train, self.settings.batch_size, self.settings.last_batch)
        self._augment = trial.augmentation
        if self._augment is not None:
            check_augmentation(self.settings.augment, self._augment, self.train)
        if compiled:
            check_compilable(trial.method)
            compile_passes(self.model)
        steps = self.settings.steps_of(trial.settings, len(self.train))
        self._updates = Updates(self.model, self.settings, steps)
        self.method = method_named(trial.method)(
            trial.settings,
            Task(
                loss=self.objective.loss(self.train, data, self.settings.label_smoothing),
                names=architecture.targets,
                generator=self._masks,
                autocast=autocast(self.settings.precision),
                clip_norm=self.settings.clip_norm or None,
                words=data.words,
                scaling=self._updates.scaling,
            ),
        )
        if self.settings.accumulate > 1 and not self.method.accumulates(trial.settings):
            raise UsageError(
                f"{trial.method} makes its own updates from batch to batch; leave training.accumulate at 1"
            )
        self._bounds = data.bounds
        self._attacks = Evaluation.of(trial, data)
        self.data = data
        self.history: list[Metrics] = []
        self.best_model: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.confusion: list[list[int]] = []
        """Of the best model on the test split, row = true class; empty until the last epoch, or for good."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What updates the model."""
        return self._updates.optimizer

    @property
    def finished(self) -> bool:
        """Whether the budget is used up, or the patience."""
        return len(self.history) >= self.settings.epochs or self._ends_early(len(self.history))

    def _ends_early(self, epoch: int) -> bool:
        """Whether an epoch is the last one though the budget is not used up."""
        patience = self.settings.patience
        return epoch < self.settings.epochs and 0 < patience <= epoch - self.best_epoch

    def epoch(self) -> Metrics:
        """Trains for one epoch, validates, and keeps the model if it is the best so far.

        The last epoch's metrics also hold those of the best model on the test split: the only time that
        test data are looked at. Where the trial asks for robustness, they hold that of the best model too,
        on both splits; on validation a case that selects is measured after every epoch instead.

        Returns:
            Metrics by name; also appended to `history`.

        Raises:
            DivergedError: A loss is not finite, or the metric that selects is no number.
        """
        with arithmetic(self.settings.precision):
            started = time.perf_counter()
            with self._default.drawn_from():
                metrics = self._train()
            trained = time.perf_counter() - started
            valid = self.objective.measure(self._updates.evaluated, self.valid, self.data).metrics
            return self.conclude(metrics, valid, trained, time.perf_counter() - started)

    def conclude(self, metrics: Metrics, valid: Metrics, trained: float, seconds: float) -> Metrics:
        """Ends an epoch: keeps the model if it is the best so far, and after the last epoch tests the best.

        Args:
            metrics: Of the epoch's training.
            valid: Of the model as it is now on the validation split.
            trained: Seconds that the training took.
            seconds: Seconds that the training and the validation took.

        Raises:
            DivergedError: A loss is not finite, or the metric that selects is no number.
        """
        started = time.perf_counter()
        epoch = len(self.history) + 1
        for kind, loss in (("training", metrics["train_loss"]), ("validation", valid["loss"])):
            if not math.isfinite(loss):
                raise DivergedError(f"{kind} loss became {loss} in epoch {epoch}")
        if math.isnan(valid.get(self.settings.best_by, 0.0)):
            raise DivergedError(f"validation {self.settings.best_by} became nan in epoch {epoch}")
        best_case = self.settings.best_case
        if best_case is not None:
            evaluated = self._updates.evaluated
            valid[best_case.metric] = self._attacks.accuracy(evaluated, self.valid, best_case)
        metrics |= {f"valid_{name}": value for name, value in valid.items()}
        metrics["epoch"] = epoch
        if not self.history or self._improves(metrics):
            self.best_epoch = epoch
            self.best_model = copy.deepcopy(self._updates.evaluated.state_dict())
        metrics["best_epoch"] = self.best_epoch
        metrics["on_gpu"] = int(self.device.type != "cpu")
        ends_early = self._ends_early(epoch)
        if ends_early:
            metrics[STOPPED_EARLY] = 1.0
        if ends_early or epoch == self.settings.epochs:
            metrics |= self._final()
        metrics["train_seconds"] = trained
        metrics["seconds"] = seconds + time.perf_counter() - started
        self.history.append(metrics)
        return metrics

    def _improves(self, metrics: Metrics) -> bool:
        """Whether an epoch is better than the best before it."""
        name = self.settings.best_by
        now, before = (m[f"valid_{name}"] for m in (metrics, self.history[self.best_epoch - 1]))
        return better(now, before, self.objective.larger_is_better(name))

    def _train(self) -> Metrics:
        self.model.train()
        self.method.until = (len(self.history) + 1) / self.settings.epochs
        self.method.begin_epoch(len(self.history) / self.settings.epochs)
        loss_sum = torch.zeros((), device=self.device)
        hits: list[Tensor] = []
        logs: dict[str, list[Tensor]] = {}
        steps = examples = 0
        rounds = self._rounds(self.method.settings.rounds_at(self.method.until))
        while batches := [self._examples(batch) for batch in islice(rounds, self.settings.accumulate)]:
            steps += 1
            labels = batches[0][1] if len(batches) == 1 else torch.cat([labels for _, labels in batches])
            examples += len(labels)
            result = self.method.step_on(self.model, batches, self.optimizer)
            self._updates.stepped(self.method.until)
            loss_sum += result.loss * len(labels)
            if (right := self.objective.hits(result.outputs, labels)) is not None:
                hits.append(right)
            for name, value in result.log.items():
                logs.setdefault(name, []).append(value)
        metrics = {
            "train_loss": loss_sum.item() / examples,
            "train_steps": steps,
        }
        if hits:
            metrics["train_accuracy"] = int(torch.stack(hits).sum()) / examples
        return metrics | {f"train_{n}": torch.stack(values).mean().item() for n, values in logs.items()}

    def _rounds(self, rounds: float) -> Iterator[Batch]:
        """The training split's batches, shuffled, so many times over; of the last time maybe a part."""
        settings = self.settings
        whole = int(rounds)
        count = batch_count(len(self.train), settings.batch_size, settings.last_batch)
        some = nearest(rounds * count) - whole * count
        for turn in range(whole + (some > 0)):
            batches = epoch_batches(self.train, settings.batch_size, settings.last_batch, self.shuffling)
            if turn < whole:
                yield from batches
            else:
                yield from islice(batches, some)

    def _examples(self, batch: Batch) -> Batch:
        """What a step trains on instead of a batch."""
        settings = self.settings
        if self._augment is not None:
            batch = augmented(self._augment, batch)
        return training_batch(settings.examples, self.model, batch, settings.examples_epsilon, self._bounds)

    def _final(self) -> Metrics:
        """The best model's metrics on the test split, its robustness on both, and the numbers of examples."""
        current = copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(self.best_model)
        test, self.confusion = self.objective.measure(self.model, self.test, self.data)
        test["examples"] = len(self.test)
        if self._left_out:
            test[f"{LEFT_OUT}{self._left_out}"] = len(self.test)
        if self.confusion:
            test |= recalls(torch.tensor(self.confusion))
        valid: Metrics = {}
        if cases := self.settings.cases:
            others = [case for case in cases if case != self.settings.best_case]
            test |= self._attacks.metrics(self.model, self.test, cases)
            valid |= self._attacks.metrics(self.model, self.valid, others)
        self.model.load_state_dict(current)
        found: dict[str, Metrics] = {"train": {"examples": len(self.train)}, "valid": valid, "test": test}
        return {f"{split}_{name}": value for split, values in found.items() for name, value in values.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on."""
        return {
            "key": self.trial.key,
            "device": self.device.type,
            "model": self.model.state_dict(),
            **self._updates.state_dict(),
            "method": self.method.state_dict(),
            "shuffling": self.shuffling.get_state(),
            "masks": self._masks.get_state(),
            "default": self._default.state(),
            "history": self.history,
            "best_model": self.best_model,
            "best_epoch": self.best_epoch,
            "confusion": self.confusion,
        }

    def result(self) -> dict[str, Any]:
        """The best model, with the trial it came from and how it did."""
        return {
            "trial": self.trial.to_dict(),
            "model": self.best_model,
            "metrics": self.history[self.best_epoch - 1],
            "test": {name: value for name, value in self.history[-1].items() if name.startswith("test_")},
            "confusion": self.confusion,
            "classes": self.data.classes,
            "extras": encoding(self.data.extras),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave, wherever its tensors were loaded to; bit for bit on a CPU.

        Generators of one kind of device cannot go on on another. There they begin anew, by seed and epoch.
        """
        if state["key"] != self.trial.key:
            raise ValueError(f"the checkpoint is of trial {state['key']}, not of {self.trial.key}")
        self.model.load_state_dict(state["model"])
        self._updates.load_state_dict(state)
        self.method.load_state_dict(state["method"])
        self.method.steps = sum(int(metrics["train_steps"]) for metrics in state["history"])
        self.shuffling.set_state(state["shuffling"].cpu())
        self._default.set_state(state["default"])
        if self.device.type == state["device"]:
            self._masks.set_state(state["masks"].cpu())
        else:
            epochs = len(state["history"])
            self._masks.manual_seed(self.trial.seed_for(f"masks after {epochs} epochs"))
            self._default.begin(self.trial.seed_for(f"default after {epochs} epochs"))
        self.history = list(state["history"])
        self.best_model = state["best_model"]
        self.best_epoch = state["best_epoch"]
        self.confusion = state["confusion"]
