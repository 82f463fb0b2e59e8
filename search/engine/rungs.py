"""ASHA's rungs, rebuilt from recorded results: Ray's scheduler's for one metric, fronts for several."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from typing_extensions import override

from analysis.aims import PASSES
from analysis.pareto import better
from search.definition.select import Select
from search.definition.sweep import Asha
from search.records.record import Record
from trainables.recipe.measured import Metrics
from trainables.trial import Trial

_TIME, _METRIC = "epoch", "value"


class _NoController(TuneController):
    """Replaces the run that Ray's scheduler expects to ask it; here an engine asks, outside any run.

    ASHA reads a trial's id and nothing of the run; if it read more, it would fail at once.
    """

    @override
    def __init__(self) -> None:
        pass


class Rungs:
    """Decides which trials go on.

    With one metric Ray's scheduler decides; with several, `Fronts`.

    Args:
        asha: The scheduler's settings.
        budget: The full budget, in the unit of ``resource``.
        select: The metrics by which trials are compared.
        resource: Returns what a trial has used of its budget after an epoch.
        records: The records so far, which fill the rungs in their order. The last epoch of a running trial is
            left out: its decision may not have been carried out, and is made when the trial reports it again.
    """

    def __init__(
        self,
        asha: Asha,
        budget: int,
        select: Select,
        resource: Callable[[Trial, int], float],
        records: Iterable[Record],
    ) -> None:
        self._select = select
        self._resource = resource
        kind: Callable[[Asha, int], _Keeper] = Fronts if select.several else _OfRay
        self._new_keeper = partial(kind, asha, budget)
        self._keeper = self._new_keeper()
        self._heard: list[tuple[Record, Metrics]] = []
        results = [
            (metrics.get("recorded_at", 0.0), number, record, metrics)
            for number, record in enumerate(records)
            for metrics in (record.epochs if record.finished else record.epochs[:-1])
        ]
        for _, _, record, metrics in sorted(results, key=lambda result: result[:2]):
            self.goes_on(record, metrics)

    def goes_on(self, record: Record, metrics: Metrics) -> bool:
        """Takes a trial's metrics after an epoch; returns whether the trial goes on.

        Among aims, its passes at every rung are those of its whole training.
        """
        self._heard.append((record, metrics))
        known = {PASSES: record.trial.passes_in_all} if self._select.several else {}
        values = [
            known[aim.metric] if aim.metric in known else metrics[aim.column] for aim in self._select.aims
        ]
        point = [aim.sign * value for aim, value in zip(self._select.aims, values, strict=True)]
        return self._keeper.goes_on(
            record.key, self._resource(record.trial, int(metrics["epoch"])), tuple(point)
        )

    def forget(self, record: Record, epoch: int) -> None:
        """Takes a trial's metrics of an epoch and of later ones back; those of the others stand."""
        heard, self._heard, self._keeper = self._heard, [], self._new_keeper()
        for other, metrics in heard:
            if other is not record or int(metrics["epoch"]) < epoch:
                self.goes_on(other, metrics)


class _Keeper(Protocol):
    """Keeps rungs."""

    def goes_on(self, key: str, used: float, point: tuple[float, ...]) -> bool:
        """Takes a trial's values, larger is better; returns whether it goes on."""


class _OfRay:
    """Rungs of one metric, which Ray's scheduler keeps."""

    def __init__(self, asha: Asha, budget: int) -> None:
        self._scheduler = AsyncHyperBandScheduler(
            time_attr=_TIME,
            metric=_METRIC,
            mode="max",
            max_t=budget,
            grace_period=min(asha.grace_period, budget),
            reduction_factor=asha.reduction_factor,
        )
        self._controller = _NoController()
        self._known: set[str] = set()

    def goes_on(self, key: str, used: float, point: tuple[float, ...]) -> bool:
        """See `_Keeper`."""
        trial = TuneTrial("", trial_id=key, stub=True)
        if key not in self._known:
            self._known.add(key)
            self._scheduler.on_trial_add(self._controller, trial)
        (value,) = point
        result = {_TIME: used, _METRIC: value}
        return self._scheduler.on_trial_result(self._controller, trial, result) != TrialScheduler.STOP


class Fronts:
    """Rungs of several metrics, at the same epochs as Ray's.

    At a rung, a trial goes on while fewer than n / ``reduction_factor`` of the n trials that have reached it,
    itself among them, come before it: those of a better front, and of its own those in less crowded places
    (`analysis.pareto`). The first at a rung goes on. Like ASHA, it waits for no trial, and revises no
    decision. A trial with a value that is not finite goes on, and is compared with no other.
    """

    def __init__(self, asha: Asha, budget: int) -> None:
        self._factor = asha.reduction_factor
        self._budget = budget
        self._rungs: dict[float, dict[str, tuple[float, ...]]] = {}
        rung = float(min(asha.grace_period, budget))
        while rung < budget:
            self._rungs[rung] = {}
            rung *= asha.reduction_factor

    def goes_on(self, key: str, used: float, point: tuple[float, ...]) -> bool:
        """See `_Keeper`."""
        if used >= self._budget:
            return False
        rung = max((rung for rung in self._rungs if rung <= used), default=None)
        if rung is None or key in self._rungs[rung] or not all(map(math.isfinite, point)):
            return True
        reached = self._rungs[rung]
        reached[key] = point
        points = list(reached.values())
        return better(points, len(points) - 1) < len(points) / self._factor
