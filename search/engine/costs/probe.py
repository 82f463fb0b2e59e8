"""Measures trainings briefly: a few steps of each method, here and without Ray."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from dropattack import UsageError
from dropattack.raised import described
from dropattack.robustness import Attack, Case
from dropattack.robustness.autoattack import FORWARD_PASSES, GRADIENT_PASSES
from search.engine.costs.portions import Portion
from search.engine.costs.rates import Epoch, Rates, rates_of
from trainables.data.dataset import Data
from trainables.data.splits import Split
from trainables.recipe.splitting import FIXED, split_for
from trainables.training.loop import DivergedError, Training
from trainables.training.under_attack import Evaluation
from trainables.trial import Trial

_EPOCHS = 1_000_000
"""More epochs than a probe trains: its last epoch would run the test."""
_FEW, _MORE = 16, 256
"""How many examples are evaluated: few if one takes long, else more."""
_STEPS = 10
"""Steps of the attacks that represent AutoAttack's."""
_QUICK_SECONDS = 0.2
"""A measurement that takes fewer seconds is repeated with more examples."""


def probe(
    portions: Sequence[Portion],
    data: Data,
    threads: int = 1,
    device: torch.device | None = None,
    seconds: float = 15.0,
) -> Rates:
    """Rates of portions of one kind (`Portion.kind`), from a few batches.

    It always measures the cheapest method, then the others by their total cost, as long as there is time. A
    method that is left out counts as costing as much a pass as the others. On a CPU it measures this thread's
    CPU time, which other processes disturb least.

    Args:
        portions: What would be trained.
        data: The data of their workload.
        threads: How many threads a trial has.
        device: Where a trial trains; the CPU by default.
        seconds: About how long to measure; at least one step of the cheapest method.

    Raises:
        UsageError: The workload cannot be trained.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _probed(portions, data, device or torch.device("cpu"), seconds)
    except (UsageError, DivergedError):
        raise
    except Exception as error:
        name = portions[0].trial.workload
        raise UsageError(f"{name} cannot be probed: {described(error)}") from error
    finally:
        torch.set_num_threads(before)


def _probed(portions: Sequence[Portion], data: Data, device: torch.device, seconds: float) -> Rates:
    by_method: dict[str, Portion] = {}
    for portion in sorted(portions, key=lambda p: p.passes, reverse=True):
        by_method.setdefault(portion.trial.method, portion)
    ordered = list(by_method.values())
    cheapest = min(ordered, key=lambda p: p.trial.passes)
    ordered = [cheapest, *(portion for portion in ordered if portion is not cheapest)]
    started = time.monotonic()
    trial = cheapest.trial
    whole = split_for(trial.training_settings.split, trial.seed, trial.seed_for("split"), data)
    few = replace(
        whole,
        groups=None,
        train=_typical(whole.train, trial.training_settings.batch_size),
        valid=_typical(whole.valid, _MORE),
        test=_typical(whole.test, _MORE),
    )
    epochs: list[Epoch] = []
    per_pass = 0.0
    for portion in ordered:
        spent = time.monotonic() - started
        expected = 2 * per_pass * portion.trial.passes
        if epochs and spent + expected > seconds:
            continue
        try:
            for epoch in _timed(portion.trial, few, device, warm=bool(epochs)):
                epochs.append(epoch)
                per_pass = epoch.seconds / max(1.0, portion.trial.passes)
        except DivergedError:
            continue
    found = rates_of(epochs, "probe")
    if found is None:
        raise UsageError(f"{trial.workload} cannot be probed: its loss is not a number after one step")
    validation, test = _evaluated(trial, whole, device)
    return replace(found, validation=validation, test=test)


def _timed(trial: Trial, few: Data, device: torch.device, warm: bool) -> Iterator[Epoch]:
    """Epochs of one batch, without the first, in which much is done once."""
    training = Training(_endless(trial), few, device)
    if not warm:
        training.epoch()
    spent = 0.0
    while spent < _QUICK_SECONDS:
        clock = _clock(device)
        metrics = training.epoch()
        share = min(1.0, (_clock(device) - clock) / max(metrics["seconds"], 1e-9))
        train, number = metrics["train_seconds"] * share, len(training.history)
        work = training.trial.passes_in(number) * len(training.train)
        yield Epoch(trial.method, work, train, 0.0, False)
        spent += max(metrics["seconds"], 1e-4)


def _endless(trial: Trial) -> Trial:
    """The same training without an end, on examples that were reduced already."""
    settings = replace(
        trial.training_settings,
        epochs=_EPOCHS,
        split=FIXED,
        train_size=0,
        robustness="",
        best_by=trial.objective.names[0],
        patience=0,
    )
    return trial.under(settings)


def _evaluated(trial: Trial, whole: Data, device: torch.device) -> tuple[float, float]:
    """Seconds of a validation, and of the test and attacks after the last epoch."""
    few = replace(whole, groups=None, train=_typical(whole.train, _FEW))
    training = Training(_endless(trial), few, device)
    model, attacks = training.model, Evaluation.of(trial, whole)
    valid = _seconds(lambda part: training.objective.measure(model, part, whole), training.valid)
    test = _seconds(lambda part: training.objective.measure(model, part, whole), training.test)
    settings = trial.training_settings
    for case in settings.cases:
        most = case.examples or max(len(training.valid), len(training.test))
        attack = _attack_per_example(attacks, model, case, training.test)
        on_valid, on_test = (attack * min(most, len(s)) for s in (training.valid, training.test))
        test += on_test
        if case == settings.best_case:
            valid += on_valid
        else:
            test += on_valid
    if settings.cases:
        zero = _per_example(lambda part: attacks.zero_gradient(model, part), training.test)
        test += zero * (len(training.valid) + len(training.test))
    return valid, test


def _attack_per_example(attacks: Evaluation, model: nn.Module, case: Case, split: Split) -> float:
    """Seconds of an example.

    It does not run AutoAttack: that takes minutes, and its time on an untrained model says little about a
    trained one. It counts the passes instead that an example takes if it withstands the attack.
    """

    def measured(attack: Attack) -> float:
        every = replace(case, attack=attack, examples=0)
        return _per_example(lambda part: attacks.accuracy(model, part, every), split)

    if not case.attack.in_turn:
        return measured(case.attack)
    with_gradient, forward = (measured(Attack(family, steps=_STEPS)) / _STEPS for family in ("pgd", "noise"))
    return GRADIENT_PASSES * with_gradient + FORWARD_PASSES * forward


def _seconds(measure: Callable[[Split], object], split: Split) -> float:
    return len(split) * _per_example(measure, split)


def _per_example(measure: Callable[[Split], object], split: Split) -> float:
    """CPU seconds of an example, from a few of them or, if those were quick, from more."""
    rate = 0.0
    for count in (_FEW, _MORE):
        part = _typical(split, count)
        clock = _clock(part.labels.device)
        measure(part)
        spent = _clock(part.labels.device) - clock
        rate = spent / len(part)
        if spent > _QUICK_SECONDS:
            break
    return rate


def _clock(device: torch.device) -> float:
    """Seconds: this thread's CPU time or, if another device computes, wall time once it is done."""
    if device.type == "cpu":
        return time.thread_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


def _typical(split: Split, most: int) -> Split:
    """Examples from all over a split; of texts, which are batched by length, those of average length."""
    count = min(most, len(split))
    lengths = getattr(split, "lengths", None)
    if lengths is None:
        return split.subset(torch.linspace(0, len(split) - 1, count).long())
    order = lengths.argsort(stable=True)
    middle = int((lengths < lengths.double().mean()).sum())
    first = max(0, min(middle - count // 2, len(split) - count))
    return split.subset(order[first : first + count])
