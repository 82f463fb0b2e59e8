"""The runs that MLflow has of a sweep, sorted out: whose each is, and whether it says what was recorded.

People edit, copy and delete runs. A run is a record's when its tags say so and its settings do not say
otherwise; what it lacks is added to it, and one that contradicts the record is replaced.
"""

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from analysis.records import CONFIGURATION
from search.records.record import Record, same_result
from search.tracking.picture import CURVES, is_shown, params_of, trial_text
from search.tracking.tags import CONFIGURATIONS, KEY, KIND, TAG, TRIAL
from trainables.trial import Trial

REPLACED = f"{TAG}replaced"
"""Tag of a run that another one stands for, with the reason; it is among MLflow's deleted runs."""
_CLOSE = 1e-9


@dataclass(slots=True)
class FoundRun:
    """A run as MLflow shows it.

    Attributes:
        run_id: Its id.
        tags: Its tags.
        params: Its params.
        metrics: The last value of each of its metrics.
        stamps: Step and time, in milliseconds, of each of these.
        status: MLflow's word for how it ended, or that it goes on.
        end: When it ended, in milliseconds.
        deleted: Whether it is among the deleted runs.
        epochs: How many epochs it shows.
        last: The last of them as recorded; empty if that is not known yet.
        files: Where its files are.
        compared: Whether it has been compared with its record.
    """

    run_id: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)
    status: str = "RUNNING"
    end: int | None = None
    deleted: bool = False
    epochs: int = 0
    last: Mapping[str, float] = field(default_factory=dict)
    files: str = ""
    compared: bool = False

    @classmethod
    def of(cls, run: Run) -> "FoundRun":
        """Takes what MLflow answers."""
        info, data = run.info, run.data
        return cls(
            info.run_id,
            dict(data.tags),
            dict(data.params),
            dict(data.metrics),
            {metric.key: (metric.step, metric.timestamp) for metric in data._metric_objs},
            info.status,
            info.end_time,
            info.lifecycle_stage != "active",
            max((m.step for m in data._metric_objs if m.key.startswith(CURVES)), default=0),
            files=info.artifact_uri,
        )

    def note_shown(self, epochs: Sequence[Mapping[str, float]]) -> None:
        """Takes note that it shows these epochs."""
        self.epochs = max(self.epochs, len(epochs))
        self.last = epochs[-1] if len(epochs) == self.epochs > 0 else {}

    def forget_all_but(self, tags: Container[str], metrics: str) -> None:
        """Keeps in memory what may still be compared; MLflow has the rest.

        Args:
            tags: Names of the tags to keep.
            metrics: What the names of the metrics to keep begin with.
        """
        self.params = {}
        self.tags = {name: value for name, value in self.tags.items() if name in tags}
        self.metrics = {name: value for name, value in self.metrics.items() if name.startswith(metrics)}
        self.stamps = {name: stamp for name, stamp in self.stamps.items() if name in self.metrics}


class FoundRuns:
    """All runs of a sweep's experiment, until they are claimed.

    Args:
        runs: As MLflow answers, deleted ones too.
    """

    def __init__(self, runs: Iterable[Run]) -> None:
        found = [FoundRun.of(run) for run in runs]
        self.replaced = [run for run in found if REPLACED in run.tags and not run.deleted]
        kept = [run for run in found if REPLACED not in run.tags]
        own = [run for run in kept if KEY in run.tags or run.tags.get(KIND) == CONFIGURATIONS]
        parents = Counter(run.tags.get(MLFLOW_PARENT_RUN_ID, "") for run in own)
        self.parents = [
            run
            for run in kept
            if run.tags.get(KIND) == "sweep"
            or (
                KIND not in run.tags
                and MLFLOW_PARENT_RUN_ID not in run.tags
                and run.run_id in parents
                and not _is_trial(run)
            )
        ]
        self.parents.sort(key=lambda run: (run.deleted, -parents[run.run_id]))
        self._all = [run for run in kept if run not in self.parents]
        self._trials = [run for run in self._all if _is_trial(run)]
        self._by_key: dict[str, list[FoundRun]] = defaultdict(list)
        self._by_text: dict[str, list[FoundRun]] = defaultdict(list)
        for run in self._trials:
            self._by_key[run.tags.get(KEY, "")].append(run)
            self._by_text[run.tags.get(TRIAL, "")].append(run)
        self._by_configuration: dict[str, list[FoundRun]] = defaultdict(list)
        self._sort_configurations()
        self._claimed: set[str] = set()
        self._keys: set[str] = set()

    def claim(self, record: Record) -> FoundRun | None:
        """The run of a record, the best of several; nothing where there is none."""
        text, configuration = trial_text(record.trial), record.identity.configuration
        names = {record.key, record.former} - {""}
        self._keys |= names

        def may_be(run: FoundRun, same: bool) -> bool:
            own = run.tags.get(f"{TAG}{CONFIGURATION}", configuration) == configuration
            return run.run_id not in self._claimed and (own or same)

        candidates = [
            run
            for name in sorted(names)
            for run in self._by_key[name]
            if may_be(run, name == record.former or run.tags.get(TRIAL) == text)
        ]
        candidates = candidates or [run for run in self._by_text[text] if may_be(run, False)]
        if not candidates:
            return None
        best: FoundRun = min(
            candidates, key=lambda r: (r.deleted, r.tags.get(TRIAL) != text, -r.epochs, r.end or 0)
        )
        self._claimed.add(best.run_id)
        return best

    def claim_configuration(self, configuration: str) -> FoundRun | None:
        """The run of a configuration, the best of several; nothing where there is none."""
        candidates = [r for r in self._by_configuration[configuration] if r.run_id not in self._claimed]
        if not candidates:
            return None
        best = min(candidates, key=lambda run: (run.deleted, run.tags.get(KIND) != CONFIGURATIONS))
        self._claimed.add(best.run_id)
        self._configurations.add(configuration)
        return best

    def _sort_configurations(self) -> None:
        """Finds the runs of configurations: by their tags, or else by the trials under them."""
        self._configurations: set[str] = set()
        own = [run for run in self._all if run.tags.get(KIND) == CONFIGURATIONS]
        for run in own:
            self._by_configuration[run.tags.get(f"{TAG}{CONFIGURATION}", "")].append(run)
        others = {run.run_id: run for run in self._all if KIND not in run.tags and run not in self._trials}
        for trial in self._trials:
            found = others.pop(trial.tags.get(MLFLOW_PARENT_RUN_ID, ""), None)
            if found is not None:
                self._by_configuration[trial.tags.get(f"{TAG}{CONFIGURATION}", "")].append(found)

    def unclaimed(self) -> list[FoundRun]:
        """Runs that no record has claimed, whatever they are."""
        return [run for run in self._all if run.run_id not in self._claimed and not run.deleted]

    def left_over(self) -> list[FoundRun]:
        """Runs of trials and configurations that have another one, or no longer say whose they are.

        A run with the key of a trial that is not on record is another code's or another copy's: it stays.
        """
        trials = {run.run_id for run in self._trials}
        doubles = {run.run_id for name in self._configurations for run in self._by_configuration[name]}
        doubles |= {run.run_id for run in self._by_configuration.get("", ())}
        return [
            run
            for run in self.unclaimed()
            if run.run_id in doubles
            or (run.run_id in trials and (run.tags.get(KEY, "") in self._keys or KEY not in run.tags))
        ]


def replace(client: MlflowClient, run: FoundRun, why: str) -> None:
    """Moves a run to MLflow's deleted ones, where whoever wants it finds it and the reason."""
    client.set_tag(run.run_id, REPLACED, why)
    client.delete_run(run.run_id)


def contradiction(run: FoundRun, record: Record, epochs: Sequence[Mapping[str, float]]) -> str:
    """What a run says that its record does not, and that MLflow lets nobody correct; or nothing."""
    wanted = _own_params(run, record)
    for name, value in run.params.items():
        if name in wanted and not same(value, wanted[name]):
            return f"its param {name} is {value}, not {wanted[name]}"
    if run.epochs > len(epochs):
        return f"it shows epoch {run.epochs}; {len(epochs)} are on record"
    for name in set(filter(is_shown, (name for epoch in epochs for name in epoch))) & run.metrics.keys():
        before = [epoch[name] for epoch in epochs[: run.epochs] if math.isfinite(epoch.get(name, math.nan))]
        since = [epoch[name] for epoch in epochs[run.epochs :] if name in epoch]
        shown = run.metrics[name]
        if not any(math.isclose(shown, each, rel_tol=_CLOSE) for each in [*before[-1:], *since]):
            return f"its metric {name} is {shown}, which is not on record"
    return ""


def overtaken(run: FoundRun, epochs: Sequence[Mapping[str, float]]) -> str:
    """Which epoch a run shows of a training that has begun anew since, with other results; or nothing."""
    shown = epochs[run.epochs - 1] if 0 < run.epochs <= len(epochs) else {}
    if not run.last or same_result(shown, run.last):
        return ""
    return f"it shows epoch {run.epochs} of a training that has begun anew since"


def corrections(run: FoundRun, wanted: Mapping[str, float], at: int | None = None) -> list[Metric]:
    """Metrics of one value each that a run lacks, or has another value of: MLflow shows the latest.

    Args:
        run: The run.
        wanted: What it should show.
        at: When the values came about, in milliseconds; now, where it is not known or there is another value.
    """
    now = int(time.time() * 1000)
    found = []
    for name, value in wanted.items():
        shown = run.metrics.get(name)
        if shown is None and math.isfinite(value):
            found.append(Metric(name, value, at or now, 0))
        elif shown is not None and shown != value and not (math.isnan(shown) and math.isnan(value)):
            found.append(Metric(name, value, max(now, run.stamps.get(name, (0, 0))[1] + 1), 0))
    return found


def beyond_correction(run: FoundRun, wanted: Mapping[str, float]) -> str:
    """Which metric of one value has another one at a later step, which MLflow shows for good; or nothing."""
    for name, value in wanted.items():
        shown = run.metrics.get(name, value)
        if shown != value and run.stamps[name][0] > 0:
            return f"its metric {name} is {shown}, which is not on record"
    return ""


def lacks_metrics(run: FoundRun, epochs: Sequence[Mapping[str, float]]) -> bool:
    """Whether a run lacks metrics of an epoch that it shows."""
    shown = epochs[: run.epochs]
    names = {n for epoch in shown for n, v in epoch.items() if math.isfinite(v) and is_shown(n)}
    return not names <= run.metrics.keys()


def _is_trial(run: FoundRun) -> bool:
    return run.tags.get(KIND, "trial") == "trial" and any(name in run.tags for name in (KIND, KEY, TRIAL))


def _own_params(run: FoundRun, record: Record) -> dict[str, str]:
    """The params that a run should have: of its own trial, where that is another spelling of the record's."""
    text = run.tags.get(TRIAL)
    if text is not None and text != trial_text(record.trial):
        try:
            own = Trial.from_dict(json.loads(text))
            if own.key == record.key:
                return params_of(own)
        except (KeyError, TypeError, ValueError):
            pass
    return params_of(record.trial)


def same(one: str, other: str) -> bool:
    """Whether two texts of params are one value."""
    try:
        return one == other or float(one) == float(other)
    except ValueError:
        return False
