"""Computes how long a workload's passes, validations and tests take, from timed epochs."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dropattack import UsageError
from search.engine.costs.portions import TIMED, Portion
from search.records.record import Record
from trainables.recipe.measured import STOPPED_EARLY, Metrics
from trainables.trial import Trial

Examples = Callable[[Trial], int]
"""Returns on how many examples a trial trains."""


class Epoch(NamedTuple):
    """A timed epoch.

    Attributes:
        method: Name of the method.
        work: Examples times the passes of each.
        seconds: How long its training took.
        beside: How long the rest of it took: validation and, at a trial's end, the test and attacks.
        last: Whether it was the trial's last one.
    """

    method: str
    work: float
    seconds: float
    beside: float
    last: bool


@dataclass(frozen=True)
class Rates:
    """How long the parts of a trial take, in seconds on one slot.

    Attributes:
        passes: A pass over one example, by method.
        validation: A validation, after every epoch.
        test: What follows the last epoch: the test and the attacks of ``training.robustness``.
        source: Where they come from: ``records`` or ``probe``.
        alike: Whether they were measured with the same settings of data, model, batches and attacks.
    """

    passes: Mapping[str, float]
    validation: float
    test: float
    source: str
    alike: bool = True

    def seconds(self, portion: Portion, examples: int) -> float:
        """How long a portion takes.

        Args:
            portion: What is left.
            examples: How many examples each of its trials trains on.
        """
        own = self.passes.get(portion.trial.method)
        rate = statistics.median(self.passes.values()) if own is None else own
        training = portion.passes * examples * rate
        return training + portion.epochs * self.validation + portion.trials * self.test


def rates_of(epochs: Iterable[Epoch], source: str, alike: bool = True) -> Rates | None:
    """Rates of timed epochs; ``None`` if there are none."""
    rates: dict[str, list[float]] = defaultdict(list)
    beside: dict[bool, list[float]] = {True: [], False: []}
    for epoch in epochs:
        if epoch.work > 0:
            rates[epoch.method].append(epoch.seconds / epoch.work)
            beside[epoch.last].append(epoch.beside)
    if not rates:
        return None
    usual, last = (statistics.median(beside[end]) if beside[end] else None for end in (False, True))
    if last is None:
        last = 2 * (usual or 0.0)  # a test is about as large as a validation
    validation = last / 2 if usual is None else usual
    return Rates(
        {method: statistics.median(each) for method, each in rates.items()},
        validation,
        max(0.0, last - validation),
        source,
        alike,
    )


def rates_of_records(
    records: Iterable[Record], like: Trial, examples: Examples, on_gpu: bool = False
) -> Rates | None:
    """Rates of a workload's records: of those whose settings are nearest to a trial's.

    Args:
        records: Of any sweep.
        like: What is to be trained.
        examples: See `Examples`.
        on_gpu: Whether it will train on a GPU; epochs of other devices do not count.

    Returns:
        ``None`` if no recorded epoch of its workload was trained on such a device.
    """

    def there(epoch: Metrics) -> bool:
        return bool(epoch.get("on_gpu", 0)) == on_gpu

    own = [
        record
        for record in records
        if record.trial.workload == like.workload
        and not record.reused_from
        and any(map(there, record.epochs))
    ]
    nearness = {id(record): _nearness(record.trial, like) for record in own}
    nearest = max(nearness.values(), default=None)
    if nearest is None:
        return None
    chosen = [record for record in own if nearness[id(record)] == nearest]
    timed = [
        epoch
        for record in chosen
        for epoch in _epochs(record.trial, filter(there, record.epochs), examples)
        if epoch.seconds > 0
    ]
    return rates_of(timed, "records", all(nearest))


def _nearness(trial: Trial, like: Trial) -> tuple[bool, bool, bool]:
    """Which settings that decide an epoch's time two trials of a workload share, the weightiest first."""
    same_sizes = dict(trial.model) == dict(like.model) and dict(trial.data) == dict(like.data)
    settings = [
        all(trial.training.get(name) == like.training.get(name) for name in names)
        for names in (("robustness",), [name for name in TIMED if name != "robustness"])
    ]
    return same_sizes, settings[0], settings[1]


def _epochs(trial: Trial, epochs: Iterable[Metrics], examples: Examples) -> Iterator[Epoch]:
    try:
        count = examples(trial)
    except UsageError:  # its data are no longer here
        return
    for metrics in epochs:
        number, seconds = int(metrics["epoch"]), metrics.get("seconds", 0.0)
        trained = metrics.get("train_seconds", seconds)
        last = number >= int(trial.training["epochs"]) or STOPPED_EARLY in metrics
        yield Epoch(trial.method, trial.passes_in(number) * count, trained, max(0.0, seconds - trained), last)
