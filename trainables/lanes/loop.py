"""The training loop for many trials at once: lanes of one stack, each equal to its trial trained alone.

One step of the stack trains every lane on its own batch. The `Training` of a lane's trial holds everything
beside the stacked tensors: generators, history, best model, and the format of checkpoint and result. It gets
the lane's parameters back after every epoch, and can then train on alone.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from dropattack import Batch, UsageError
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.lanes.methods import lane_method, structure
from trainables.lanes.stack import Stack
from trainables.lanes.stacked_adam import StackedAdam
from trainables.objectives import Classification
from trainables.recipe.batches import KEEP
from trainables.recipe.examples import CLEAN
from trainables.recipe.fitting import BATCH
from trainables.recipe.measured import Metrics
from trainables.recipe.metrics import scores
from trainables.recipe.precision import FLOAT16, arithmetic
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial

_KNOWN = {
    "epochs",
    "batch_size",
    "learning_rate",
    "train_size",
    "best_by",
    "balanced",
    "robustness",
    "precision",
}
"""Training settings that lanes support; all others must be at their defaults."""
_IGNORED = -100
"""Label of examples that only fill up a lane's smaller batch; cross entropy ignores them."""


def lane_structure(trial: Trial) -> str:
    """What trials must have in common to be lanes of one stack.

    Raises:
        UsageError: This trial cannot be a lane, whatever the others are.
    """
    if trial.model.get("dropout"):
        raise UsageError("a lane's model cannot have dropout; set it to 0, or train it alone")
    if trial.training_settings.last_batch != KEEP:
        raise UsageError("a lane keeps its last batch; train a trial that drops or merges it alone")
    if trial.training["examples"] != CLEAN:
        raise UsageError("a lane trains on clean examples; train on adversarial ones alone")
    if trial.training_settings.precision == FLOAT16:
        raise UsageError("lanes do not scale their losses, as float16 needs it; train these trials alone")
    if trial.objective != Classification():
        raise UsageError("lanes train classifiers under plain cross entropy; train these trials alone")
    if other := sorted(trial.training_settings.canonical().stated().keys() - _KNOWN):
        raise UsageError(f"lanes do not know training.{other[0]}; train a trial that sets it alone")
    shared = trial.to_dict()
    del shared["seed"], shared["method"]
    del shared["hyperparameters"]
    training = {name: value for name, value in trial.training.items() if name != "learning_rate"}
    method = structure(trial.method, trial.settings)
    return json.dumps([shared | {"training": training}, repr(method)], sort_keys=True)


def stackable(trials: Iterable[Trial]) -> list[list[Trial]]:
    """Groups trials that can be lanes of one stack; a trial that cannot be a lane is a group alone."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        try:
            name = lane_structure(trial)
        except UsageError:
            name = trial.key
        groups.setdefault(name, []).append(trial)
    return list(groups.values())


class Lanes:
    """Trials that take their steps together.

    A lane equals its trial trained alone. Its random draws are the same bit for bit. Its other numbers differ
    only by rounding, since batched operators add up sums in another order.

    Args:
        trainings: One for each lane, fresh or resumed, on one device. While they are lanes, only their
            `history` may be read; `training` brings them up to date.

    Raises:
        UsageError: A trial cannot be a lane, or they differ in more than numbers.

    Examples:
        >>> from pathlib import Path
        >>> from trainables.workloads import TrainingSettings, workload_named
        >>> workload, settings = workload_named("digits-lenet5"), TrainingSettings(epochs=1, train_size=64)
        >>> trials = [
        ...     Trial.make(workload.name, "dropattack", {"epsilon": epsilon}, settings, 0, "digits")
        ...     for epsilon in (0.1, 1.0, 5.0)
        ... ]
        >>> lanes = Lanes.of(trials, workload.load(Path(".")))
        >>> sorted(lanes.epoch()) == sorted(trial.key for trial in trials)
        True
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        if len({lane_structure(training.trial) for training in trainings}) != 1:
            raise UsageError("these trials differ in more than numbers; group them with `stackable`")
        if any(training.under_way is not None for training in trainings):
            raise ValueError("lanes train whole epochs; end an epoch that is half-way with `Alone` first")
        # Adam is called once for adjacent lanes that share a learning rate.
        self._lanes = sorted(trainings, key=lambda training: training.settings.learning_rate)
        self._stack = Stack([training.model for training in self._lanes])
        self._adam = StackedAdam(self._stack, [training.optimizer for training in self._lanes])
        self._method = lane_method([training.method for training in self._lanes])
        self._train_split, self._starts = _joined([training.train for training in self._lanes])

    @classmethod
    def of(cls, trials: Sequence[Trial], data: Data, device: torch.device | None = None) -> "Lanes":
        """Fresh lanes over one copy of the data; see `Training`."""
        data = data.to(device or torch.device("cpu"))
        return cls([Training(trial, data, device) for trial in trials])

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def keys(self) -> list[str]:
        """Keys of the trials that are lanes now."""
        return [training.trial.key for training in self._lanes]

    def epoch(self) -> dict[str, Metrics | DivergedError]:
        """Trains every lane for one epoch, validates, and tests those that have finished.

        Returns:
            For each trial's key its metrics, as from `Training.epoch`; ``train_seconds`` and ``seconds`` are
            a lane's share of the stack's. A lane whose loss is not finite has its error instead, and is
            dropped.
        """
        with arithmetic(self._lanes[0].settings.precision):
            return self._epoch()

    def _epoch(self) -> dict[str, Metrics | DivergedError]:
        started = time.perf_counter()
        trained = self._train()
        train_seconds = (time.perf_counter() - started) / len(self)
        confusions = measure_stack(self._stack, self._lanes[0].valid, self._lanes[0].data.classes)
        seconds = (time.perf_counter() - started) / len(self)
        found: dict[str, Metrics | DivergedError] = {}
        for lane, (training, metrics, (loss, confusion)) in enumerate(
            zip(self._lanes, trained, confusions, strict=True)
        ):
            self._stack.copy_to(lane, training.model)
            valid = {"loss": loss, **scores(confusion, training.data.positive)}
            try:
                found[training.trial.key] = training.conclude(metrics, valid, train_seconds, seconds)
            except DivergedError as error:
                found[training.trial.key] = error
        self.drop(*[key for key, result in found.items() if isinstance(result, DivergedError)])
        return found

    def training(self, key: str) -> Training:
        """A lane's training as of the last epoch, to save it or to train it on alone."""
        lane = self.keys.index(key)
        training = self._lanes[lane]
        self._stack.copy_to(lane, training.model)
        self._adam.copy_to(lane, training.optimizer, training.model)
        return training

    def drop(self, *keys: str) -> None:
        """Ends these lanes and compacts the stack; results of the others stay the same."""
        if not keys:
            return
        kept = [lane for lane, key in enumerate(self.keys) if key not in keys]
        self._lanes = [self._lanes[lane] for lane in kept]
        if not kept:
            return
        for part in (self._stack, self._adam, self._method):
            part.keep(kept)
        self._train_split, self._starts = _joined([training.train for training in self._lanes])

    def _train(self) -> list[Metrics]:
        self._stack.module.train()
        rounds, size = int(self._method.settings[0].rounds_at(1)), self._lanes[0].settings.batch_size
        device = self._lanes[0].device
        loss_sum, correct = torch.zeros(2, len(self), device=device)
        logs: dict[str, Tensor] = {}
        steps = 0
        for _ in range(rounds):
            for (inputs, labels), counts in self._batches(size):
                steps += 1
                result = self._method.step(self._stack, inputs, labels, self._adam)
                loss_sum += result.loss * counts
                correct += (result.outputs.argmax(2) == labels).sum(1)
                for name, value in result.log.items():
                    logs[name] = logs.get(name, 0) + value
        examples = rounds * len(self._lanes[0].train)
        names = {"train_loss": examples, "train_accuracy": examples}
        names |= dict.fromkeys([f"train_{name}" for name in logs], steps)
        sums = torch.stack([loss_sum, correct, *logs.values()], dim=1).tolist()
        return [
            {"train_steps": steps}
            | {name: value / count for (name, count), value in zip(names.items(), lane, strict=True)}
            for lane in sums
        ]

    def _batches(self, size: int) -> Iterator[tuple[Batch, int | Tensor]]:
        """Each lane's batches, stacked, with the number of examples in a lane's batch that count."""
        orders = [training.train.order(size, training.shuffling) for training in self._lanes]
        starts = self._starts.to(orders[0][0].device)
        for batches in zip(*orders, strict=True):
            counts = [len(indices) for indices in batches]
            widest = max(counts)
            filled = [
                torch.cat([i, i[:1].expand(widest - len(i))]) if len(i) < widest else i for i in batches
            ]
            inputs, labels = self._train_split.take(torch.stack(filled) + starts)
            if min(counts) == widest:
                yield (inputs, labels), widest
            else:
                real = torch.tensor(counts).to(labels.device)
                labels = labels.masked_fill(
                    torch.arange(widest, device=labels.device) >= real[:, None], _IGNORED
                )
                yield (inputs, labels), real


class Alone:
    """A trial alone, as a stack of one; it may be any trial.

    Args:
        only: Its training, fresh or resumed.
    """

    def __init__(self, only: Training) -> None:
        self.only = only

    def epoch(self, between: Callable[[], object] = lambda: None) -> dict[str, Metrics | DivergedError]:
        """See `Lanes.epoch`, and `Training.epoch` for ``between``."""
        key = self.only.trial.key
        try:
            return {key: self.only.epoch(between)}
        except DivergedError as error:
            return {key: error}

    def training(self, key: str) -> Training:
        """See `Lanes.training`."""
        return self.only


def together(trainings: Sequence[Training]) -> Alone | Lanes:
    """Returns the loop that trains these trials side by side.

    Raises:
        UsageError: There are several, and they cannot be lanes of one stack.
    """
    return Alone(trainings[0]) if len(trainings) == 1 else Lanes(trainings)


@torch.inference_mode()
def measure_stack(stack: Stack, split: Split, classes: int) -> list[tuple[float, Tensor]]:
    """The loss and confusion matrix of each lane's model, in one pass over the split for all lanes."""
    stack.module.eval()
    device = split.labels.device
    loss = torch.zeros(len(stack), dtype=torch.float64, device=device)
    confusion = torch.zeros(len(stack) * classes * classes, dtype=torch.int64, device=device)
    first = torch.arange(len(stack), device=device)[:, None] * classes * classes
    summed = partial(F.cross_entropy, reduction="sum")
    for inputs, labels in split.batches(BATCH):
        outputs = stack.forward(stack.parameters, inputs, shared=True)
        loss += vmap(summed, in_dims=(0, None))(outputs, labels)
        cells = (first + labels * classes + outputs.argmax(2)).flatten()
        confusion.index_add_(0, cells, torch.ones_like(cells))
    losses = (loss / len(split)).tolist()
    return list(zip(losses, confusion.view(-1, classes, classes).cpu(), strict=True))


def _joined(splits: Sequence[Split]) -> tuple[Split, Tensor]:
    """One split that holds all of them, and the place in it where each begins, ``[lanes, 1]``."""
    distinct = {split.labels.data_ptr(): split for split in splits}
    first, *others = distinct.values()
    numbers = {pointer: number for number, pointer in enumerate(distinct)}
    starts = [[len(first) * numbers[split.labels.data_ptr()]] for split in splits]
    return (first.joined(others) if others else first), torch.tensor(starts)
