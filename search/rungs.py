"""ASHA's rungs, kept by Ray's scheduler and rebuilt from recorded results."""

from types import SimpleNamespace

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from search.record import Record
from search.sweep import Asha, Select

_TIME, _METRIC = "epoch", "value"


class Rungs:
    """Decides which trials go on.

    Args:
        asha: The scheduler's settings.
        epochs: The full budget.
        select: What trials are compared by.
        finished: Records whose decisions are made; their results fill the rungs again. Running trials are not
            among them: they report again from their first epoch, and meet the same decisions.
    """

    def __init__(self, asha: Asha, epochs: int, select: Select, finished: list[Record]) -> None:
        self._select = select
        self._scheduler = AsyncHyperBandScheduler(
            time_attr=_TIME,
            metric=_METRIC,
            mode="max",
            max_t=epochs,
            grace_period=min(asha.grace_period, epochs),
            reduction_factor=asha.reduction_factor,
        )
        self._known: set[str] = set()
        for record in finished:
            for metrics in record.epochs:
                self.goes_on(record.key, int(metrics["epoch"]), metrics[select.column])

    def goes_on(self, key: str, epoch: int, value: float) -> bool:
        """Takes a trial's selected metric after ``epoch`` and says whether the trial goes on."""
        trial = SimpleNamespace(trial_id=key)
        if key not in self._known:
            self._known.add(key)
            self._scheduler.on_trial_add(None, trial)
        result = {_TIME: epoch, _METRIC: self._select.sign * value}
        decision: str = self._scheduler.on_trial_result(None, trial, result)
        return decision != TrialScheduler.STOP
