"""The training loop: one trial, epoch by epoch, without Ray, resumable between any two steps bit for bit."""

import copy
import math
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from dropattack import Batch, Task, UsageError, method_named
from trainables.data.dataset import Data
from trainables.data.splits import stratified_subset
from trainables.data.streamed import placed
from trainables.objectives.objective import better
from trainables.recipe.augmentation import augmented, check_augmentation
from trainables.recipe.batches import check_last_batch, repeated_batches
from trainables.recipe.examples import training_batch
from trainables.recipe.measured import STOPPED_EARLY, Metrics
from trainables.recipe.precision import arithmetic, autocast
from trainables.recipe.splitting import left_out, split_for
from trainables.recipe.updates import Updates
from trainables.saved import encoding
from trainables.training.compiled import check_compilable, compile_passes
from trainables.training.generators import OwnDefault
from trainables.training.tested import UNTESTED, tested
from trainables.training.under_attack import Evaluation
from trainables.training.under_way import UnderWay
from trainables.trial import Trial


class DivergedError(RuntimeError):
    """The training loss is no longer a finite number."""


class Training:
    """The training of one trial.

    All random draws come from generators that the trial's seed alone decides: one for shuffling, one for
    masks, and torch's default generator, from which initialisation draws. Each call puts the default
    generator in the trial's own state and restores it afterwards. The model's draws in a pass, such as
    dropout, follow from the seed of the masks, the step and the pass.

    Args:
        trial: The trial to train.
        data: The workload's data.
        device: Where to train.
        compiled: Whether the model's passes are compiled; results then differ by rounding.

    Attributes:
        shuffling: Draws the order of the examples; on the CPU.
        data: The workload's data, split for the trial.
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
                log_probabilities=self.objective.log_probabilities,
            ),
        )
        if self.settings.accumulate > 1 and not self.method.accumulates(trial.settings):
            raise UsageError(
                f"{trial.method} makes its own updates from batch to batch; leave training.accumulate at 1"
            )
        self._bounds = data.bounds
        self._attacks = Evaluation.checked(trial, data)
        self.data = data
        self.history: list[Metrics] = []
        self.best_model: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.under_way: UnderWay | None = None
        """The epoch that is half-way, as between two steps; nothing between epochs."""
        self.confusion: list[list[int]] = []
        """Counts of the best model on the test split, row = true class; empty until the model is tested."""
        self.right: Tensor | None = None
        """Whether the best model recognises each example of the test split; ``None`` until it is tested."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the model."""
        return self._updates.optimizer

    @property
    def finished(self) -> bool:
        """Whether the budget or the patience is used up."""
        return len(self.history) >= self.settings.epochs or self._ends_early(len(self.history))

    def _ends_early(self, epoch: int) -> bool:
        """Whether patience ends the training after an epoch, before the budget does."""
        patience = self.settings.patience
        return epoch < self.settings.epochs and 0 < patience <= epoch - self.best_epoch

    def epoch(self, between: Callable[[], object] = lambda: None) -> Metrics:
        """Trains one epoch, or the rest of one, validates, and keeps the model if it is the best so far.

        The last epoch's metrics also hold those of the best model on the test split, which is used only then.
        If the trial sets robustness, they also hold the best model's robustness on both splits. A case that
        selects the best epoch is measured on validation after every epoch instead.

        Args:
            between: Called after each step, when `state_dict` may be called; an error in it ends the training
                there. Methods that cannot be left within an epoch never call it.

        Returns:
            Metrics by name; also appended to `history`.

        Raises:
            DivergedError: A loss is not finite, or the metric that selects is no number.
        """
        with arithmetic(self.settings.precision):
            started = time.perf_counter() if self.under_way is None else self.under_way.started
            with self._default.drawn_from():
                metrics = self._train(between)
            trained = time.perf_counter() - started
            valid = self.objective.measure(self._updates.evaluated, self.valid, self.data).metrics
            return self.conclude(metrics, valid, trained, time.perf_counter() - started)

    def conclude(self, metrics: Metrics, valid: Metrics, trained: float, seconds: float) -> Metrics:
        """Ends an epoch: keeps the model if it is the best so far, and after the last epoch tests the best.

        Args:
            metrics: Metrics of the epoch's training.
            valid: Metrics of the present model on the validation split.
            trained: Seconds of training.
            seconds: Seconds of training and validation.

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

    def _train(self, between: Callable[[], object] = lambda: None) -> Metrics:
        settings, method = self.settings, self.method
        self.model.train()
        method.until = (len(self.history) + 1) / settings.epochs
        if self.under_way is None:
            method.begin_epoch(len(self.history) / settings.epochs)
            self.under_way = UnderWay(self.shuffling.get_state(), self.device)
        seen = self.under_way
        self.shuffling.set_state(seen.shuffling)
        rounds = repeated_batches(
            self.train,
            settings.batch_size,
            settings.last_batch,
            self.shuffling,
            method.settings.rounds_at(method.until),
            seen.batches,
        )
        may_be_left = method.may_be_left(method.settings)
        while batches := [self._examples(batch) for batch in islice(rounds, settings.accumulate)]:
            labels = batches[0][1] if len(batches) == 1 else torch.cat([labels for _, labels in batches])
            result = method.step_on(self.model, batches, self.optimizer)
            self._updates.stepped(method.until)
            seen.add(result, self.objective.hits(result.outputs, labels), len(labels), len(batches))
            if may_be_left:
                between()
        self.under_way = None
        return seen.metrics()

    def _examples(self, batch: Batch) -> Batch:
        """The examples that a step trains on for a batch, augmented and adversarial if set so."""
        settings = self.settings
        if self._augment is not None:
            batch = augmented(self._augment, batch)
        return training_batch(settings.examples, self.model, batch, settings.examples_epsilon, self._bounds)

    def _final(self) -> Metrics:
        """The best model's metrics on the test split, its robustness on both, and the numbers of examples."""
        current = copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(self.best_model)
        cases, valid, test = self.settings.cases, Metrics(), UNTESTED
        if self.settings.test:
            parts = (self.model, self.test, self.data, self._left_out, self._attacks, cases)
            test = tested(self.objective, *parts)
        self.confusion, self.right = test.confusion, test.right
        if cases:
            others = [case for case in cases if case != self.settings.best_case]
            valid |= self._attacks.metrics(self.model, self.valid, others)
        self.model.load_state_dict(current)
        found = {"valid": valid, "test": test.metrics}
        named = {f"{split}_{name}": value for split, own in found.items() for name, value in own.items()}
        return {"train_examples": len(self.train), **named}

    def state_dict(self) -> dict[str, Any]:
        """The state that the rest of the training depends on, at an epoch's end or between two steps."""
        within = self.under_way
        return {
            "key": self.trial.key,
            "device": self.device.type,
            "model": self.model.state_dict(),
            **self._updates.state_dict(),
            "method": self.method.state_dict(),
            "shuffling": self.shuffling.get_state(),
            "under_way": None if within is None else within.state_dict(),
            "masks": self._masks.get_state(),
            "default": self._default.state(),
            "history": self.history,
            "best_model": self.best_model,
            "best_epoch": self.best_epoch,
            "confusion": self.confusion,
            "right": self.right,
        }

    def result(self) -> dict[str, Any]:
        """The best model, with its trial and its metrics."""
        return {
            "trial": self.trial.to_dict(),
            "model": self.best_model,
            "metrics": self.history[self.best_epoch - 1],
            "test": {name: value for name, value in self.history[-1].items() if name.startswith("test_")},
            "confusion": self.confusion,
            "right": self.right,
            "classes": self.data.classes,
            "extras": encoding(self.data.extras),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a `state_dict` with tensors on any device; bit for bit on a CPU.

        A generator of one type of device cannot continue on another. There it starts anew, by seed and epoch.
        """
        if state["key"] != self.trial.key:
            raise ValueError(f"the checkpoint is of trial {state['key']}, not of {self.trial.key}")
        self.model.load_state_dict(state["model"])
        self._updates.load_state_dict(state)
        epochs = len(state["history"])
        self.method.steps = sum(int(metrics["train_steps"]) for metrics in state["history"])
        if (within := state.get("under_way")) is not None:
            self.under_way = UnderWay.of(within, self.device)
            self.method.begin_epoch(epochs / self.settings.epochs)
            self.method.steps += self.under_way.steps
        self.method.load_state_dict(state["method"])
        self.shuffling.set_state(state["shuffling"].cpu())
        self._default.set_state(state["default"])
        if self.device.type == state["device"]:
            self._masks.set_state(state["masks"].cpu())
        else:
            self._masks.manual_seed(self.trial.seed_for(f"masks after {epochs} epochs"))
            self._default.begin(self.trial.seed_for(f"default after {epochs} epochs"))
        self.history = list(state["history"])
        self.best_model = state["best_model"]
        self.best_epoch = state["best_epoch"]
        self.confusion = state["confusion"]
        self.right = state.get("right")
