"""Rehearses a trial: it trains, tests, saves, loads and measures its workload once, on a few examples."""

import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from dropattack import UsageError
from dropattack.batches import called
from dropattack.raised import described
from dropattack.robustness import Case
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.recipe.augmentation import check_range
from trainables.recipe.batches import KEEP
from trainables.recipe.fitting import evaluating
from trainables.recipe.settings import TrainingSettings
from trainables.recipe.splitting import FIXED, split_for
from trainables.saved import load_model
from trainables.tensors import save_atomically
from trainables.training.attackable import check_attackable
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial
from trainables.workloads import workload_named

_TRAIN, _OTHERS, _BATCH = 32, 256, 16


def rehearse(trial: Trial, data: Data) -> None:
    """Checks that a workload can be trained, and that its models can be loaded back.

    It trains one epoch of a few examples by the trial's recipe, on the CPU and without an attack. It tests
    the model in every way that the trial would, and loads it back as users will.

    Args:
        trial: A trial of the workload.
        data: The workload's data.

    Raises:
        UsageError: A part of this raises an error, or the model predicts otherwise once it is loaded back.
    """
    settings = trial.training_settings
    data = split_for(settings.split, trial.seed, trial.seed_for("split"), data)
    few = replace(
        data,
        groups=None,
        train=_part(data.train, _TRAIN),
        valid=_part(data.valid, _OTHERS),
        test=_part(data.test, _OTHERS),
    )
    best = settings.best_case
    check_attackable(settings.cases, few.valid, data, trial.workload)
    small = replace(
        settings,
        robustness="+".join(f"{case.name}:{case.epsilon:g}" for case in _quick(settings.cases)),
        best_by=settings.best_by if best is None or _quick([best]) else TrainingSettings().best_by,
        epochs=1,
        split=FIXED,
        test=True,
        train_size=0,
        batch_size=_BATCH,
        last_batch=KEEP,
        accumulate=1,
    )
    short = Trial.make(
        trial.workload, "standard", {}, small, trial.seed, trial.checksum, trial.data, trial.model
    )
    with warnings.catch_warnings(), suppress(DivergedError):
        warnings.simplefilter("ignore")
        _rehearse(short, few)


def _quick(cases: Sequence[Case]) -> list[Case]:
    """The attacks to rehearse: all except AutoAttack, whose thousands of passes take minutes."""
    return [case for case in cases if not case.attack.in_turn]


def _rehearse(trial: Trial, few: Data) -> None:
    name = trial.workload
    try:
        training = Training(trial, few)
        if (augment := trial.augmentation) is not None:
            check_range(trial.training_settings.augment, augment, training.train, training.data.bounds)
        _check_outputs(training, name)
        training.epoch()
        content = training.result()
    except (UsageError, DivergedError):
        raise
    except Exception as error:
        raise UsageError(f"{name} cannot be trained: {described(error)}") from error
    with tempfile.TemporaryDirectory(prefix="dropattack-") as folder:
        path = Path(folder) / "model.pt"
        try:
            save_atomically(content, path)
            saved = load_model(path, workload_named(name))
        except Exception as error:
            raise UsageError(
                f"a model of {name} cannot be loaded back: {described(error)}; what "
                "`build` takes from the data must be in Data.extras or Data.classes"
            ) from error
    found = trial.objective.measure(saved.model, few.test, few).metrics
    for metric, value in found.items():
        before = saved.test[f"test_{metric}"]
        if not _close(value, before):
            raise UsageError(
                f"a model of {name} has another {metric} once it is loaded back ({value:g}, not {before:g}); "
                "keep what it computes with in parameters, buffers or Data.extras"
            )


def _check_outputs(training: Training, name: str) -> None:
    """Refuses outputs that are no logits of the data's classes, if the objective classifies."""
    if not training.objective.classifies:
        return
    inputs, labels = next(training.train.batches(2))
    with evaluating(training.model):
        outputs = called(training.model, inputs)
    classes = training.data.classes
    if isinstance(outputs, torch.Tensor) and tuple(outputs.shape) == (len(labels), classes):
        return
    given = list(outputs.shape) if isinstance(outputs, torch.Tensor) else f"a {type(outputs).__name__}"
    raise UsageError(
        f"the model of {name} returns {given} for {len(labels)} examples of {classes} classes; it must "
        f"return one number for each class, [{len(labels)}, {classes}]"
    )


def _close(one: float, other: float) -> bool:
    return bool(torch.isclose(torch.tensor(one), torch.tensor(other), rtol=1e-4, atol=1e-5, equal_nan=True))


def _part(split: Split, most: int) -> Split:
    """A few examples, spread over a whole split."""
    return split.subset(torch.linspace(0, len(split) - 1, min(most, len(split))).long())
