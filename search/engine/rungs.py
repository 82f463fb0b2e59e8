"""ASHA's rungs, kept by Ray's scheduler and rebuilt from recorded results."""

from collections.abc import Callable, Iterable

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from typing_extensions import override

from search.definition.select import Select
from search.definition.sweep import Asha
from search.records.record import Record
from trainables.recipe.measured import Metrics
from trainables.trial import Trial

_TIME, _METRIC = "epoch", "value"


class _NoController(TuneController):
    """Stands for the run that Ray's scheduler expects to be asked by; here an engine asks, outside any run.

    ASHA reads a trial's id and nothing of the run; if it did, it would fail at once.
    """

    @override
    def __init__(self) -> None:
        pass


class Rungs:
    """Decides which trials go on.

    Args:
        asha: The scheduler's settings.
        budget: The full budget, in the unit of ``resource``.
        select: What trials are compared by.
        resource: What a trial has used of its budget after an epoch.
        records: What is known already; it fills the rungs again in the order it came. The last epoch of a
            running trial is left out: its decision may not have been carried out, and is made when the trial
            reports it again.
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
        results = [
            (metrics.get("recorded_at", 0.0), number, record, metrics)
            for number, record in enumerate(records)
            for metrics in (record.epochs if record.finished else record.epochs[:-1])
        ]
        for _, _, record, metrics in sorted(results, key=lambda result: result[:2]):
            self.goes_on(record, metrics)

    def goes_on(self, record: Record, metrics: Metrics) -> bool:
        """Takes a trial's metrics after an epoch and says whether the trial goes on."""
        trial = TuneTrial("", trial_id=record.key, stub=True)
        if record.key not in self._known:
            self._known.add(record.key)
            self._scheduler.on_trial_add(self._controller, trial)
        used = self._resource(record.trial, int(metrics["epoch"]))
        result = {_TIME: used, _METRIC: self._select.sign * metrics[self._select.column]}
        return self._scheduler.on_trial_result(self._controller, trial, result) != TrialScheduler.STOP
