"""The runs of configurations in MLflow: each stands over its trials, and shows the mean over their seeds."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities import Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME

from analysis.records import CONFIGURATION, CONTROL
from search.definition.searches import Confirm
from search.definition.sweep import Sweep
from search.records.naming import run_name
from search.records.record import Record, State
from search.tracking.found import FoundRun, FoundRuns, beyond_correction, corrections, replace, same
from search.tracking.picture import BEST, STATUS, best_of, ended_at, params_of, started_at
from search.tracking.tags import CONFIGURATIONS, KIND, SWEEP, TAG
from search.tracking.whole import WholeRuns

FRESH = "fresh/"
"""What metrics over the seeds of a confirmation alone begin with."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What a trial adds to its configuration: its seed and state, its metrics by name, when it ended."""

    seed: int
    state: State
    fresh: bool
    best: Mapping[str, float]
    end: int | None


@dataclass(slots=True)
class _Configuration:
    """A configuration's first record, what its trials add, and its run, once that was found or made.

    ``known`` says whether the run was made here, or has been compared with all trials; ``named`` says whether
    it has what never changes.
    """

    first: Record
    parts: dict[str, _Part] = field(default_factory=dict)
    run: FoundRun = field(default_factory=lambda: FoundRun(""))
    known: bool = False
    named: bool = False

    @property
    def status(self) -> str:
        """MLflow's word: running while a trial is, then as the best trial ended."""
        states = {part.state for part in self.parts.values()}
        order = (State.RUNNING, State.COMPLETE, State.PRUNED, State.FAILED)
        return STATUS[next(state for state in order if state in states)]

    @property
    def end(self) -> int | None:
        """When a trial reported last, in milliseconds."""
        return max((part.end for part in self.parts.values() if part.end is not None), default=None)


class ConfigurationRuns:
    """The runs of a sweep's configurations: found or made, then kept in step with their trials.

    Args:
        client: Tells MLflow.
        whole: Writes new runs, where it can.
        experiment: Id of the sweep's experiment.
        parent: Id of the sweep's own run.
        sweep: The sweep.
        runs: The runs of trials by key, which its owner adds to.
    """

    def __init__(
        self,
        client: MlflowClient,
        whole: WholeRuns,
        experiment: str,
        parent: str,
        sweep: Sweep,
        runs: Mapping[str, FoundRun],
    ) -> None:
        self._client = client
        self._whole = whole
        self._experiment = experiment
        self._parent = parent
        self._sweep = sweep
        self._runs = runs
        self._fresh = {stage.name for stage in sweep.stages if isinstance(stage.search, Confirm)}
        self._configurations: dict[str, _Configuration] = {}
        self._changed: dict[str, None] = {}

    def run_of(self, record: Record, found: FoundRuns) -> str:
        """Id of the run of an added record's configuration, which is made where there is none."""
        name = record.identity.configuration
        own = self._configurations[name]
        if not own.run.run_id:
            run = found.claim_configuration(name)
            if run is not None and (wrong := _wrong_param(run, record)):
                if not run.deleted:
                    replace(self._client, run, wrong)
                run = None
            if run is not None and run.deleted:
                self._client.restore_run(run.run_id)
            own.known = run is None
            own.run = run or self._create(own)
        return own.run.run_id

    def add(self, record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> None:
        """Takes note of a trial; its configuration's run is as it was until `write`."""
        name = record.identity.configuration
        own = self._configurations.setdefault(name, _Configuration(record))
        best = best_of(self._sweep.select, epochs) if state is State.COMPLETE else {}
        fresh = record.stage in self._fresh
        part = _Part(record.trial.seed, state, fresh, best, ended_at(epochs))
        if own.parts.get(record.key) != part:
            own.parts[record.key] = part
            self._changed[name] = None

    def write(self, complete: bool) -> None:
        """Brings the runs of configurations whose trials have changed up to them.

        Args:
            complete: Whether all trials on record were added. Runs from before wait for that: until then they
                would show the mean of a part of their seeds.
        """
        self._whole.settle()
        for name in list(self._changed):
            own = self._configurations[name]
            if complete or own.known:
                self._bring_up(name, own)
                self._changed.pop(name, None)

    def stop(self) -> None:
        """Shows configurations whose trials still run when their sweep ends as killed, until they go on."""
        killed = STATUS[State.PRUNED]
        for own in self._configurations.values():
            if own.run.run_id and own.run.status == STATUS[State.RUNNING]:
                self._client.set_terminated(own.run.run_id, killed)
                own.run.status = killed

    def _bring_up(self, name: str, own: _Configuration) -> None:
        wanted = self._metrics(own.parts)
        if not own.known and (untrue := _untrue(own.run, wanted)):
            replace(self._client, own.run, untrue)
            own.run, own.known = self._create(own), True
            self._adopt(own.parts, own.run.run_id)
        run = own.run
        metrics = corrections(run, wanted)
        told = self._passing_tags(own)
        all_tags = told if own.named else self._standing_tags(own.first) | told
        tags = {n: v for n, v in all_tags.items() if run.tags.get(n) != v}
        params = {} if own.named else {n: v for n, v in _params(own.first).items() if n not in run.params}
        if metrics or tags or params:
            new = [Param(*each) for each in params.items()], [RunTag(*each) for each in tags.items()]
            self._client.log_batch(run.run_id, metrics, *new)
        run.tags |= tags
        run.metrics |= {metric.key: metric.value for metric in metrics}
        run.stamps |= {metric.key: (0, metric.timestamp) for metric in metrics}
        own.known = own.named = True
        self._set_status(own)
        run.forget_all_but(told, "")

    def _adopt(self, keys: Iterable[str], parent: str) -> None:
        """Puts the runs of trials under another run."""
        for run in (self._runs[key] for key in keys if key in self._runs):
            self._client.set_tag(run.run_id, MLFLOW_PARENT_RUN_ID, parent)

    def _create(self, own: _Configuration) -> FoundRun:
        """A new run: of a database that is a file with all there is to show, else one to be brought up."""
        tags = self._standing_tags(own.first) | {
            MLFLOW_RUN_NAME: run_name(own.first.trial).rpartition(" seed=")[0],
            MLFLOW_SOURCE_NAME: "dropattack",
        }
        start = started_at(own.first)
        metrics = corrections(FoundRun(""), self._metrics(own.parts))
        shown = tags | self._passing_tags(own)
        whole = self._whole.write(shown, _params(own.first), metrics, own.status, start, own.end)
        own.named = whole is not None
        if whole is not None:
            return whole
        run = self._client.create_run(self._experiment, start_time=start, tags=tags)
        return FoundRun(run.info.run_id, tags, files=run.info.artifact_uri)

    def _standing_tags(self, record: Record) -> dict[str, str]:
        return {
            MLFLOW_PARENT_RUN_ID: self._parent,
            KIND: CONFIGURATIONS,
            f"{TAG}{CONFIGURATION}": record.identity.configuration,
            f"{TAG}{CONTROL}": record.identity.control,
            SWEEP: self._sweep.name,
            f"{TAG}workload": record.trial.workload,
            f"{TAG}method": record.trial.method,
        }

    @staticmethod
    def _passing_tags(own: _Configuration) -> dict[str, str]:
        """Tags that change with the trials."""
        parts = own.parts.values()
        counts = Counter(part.state.value for part in parts)
        return {
            f"{TAG}trials": ", ".join(f"{counts[s.value]} {s.value}" for s in State if counts[s.value]),
            f"{TAG}seeds": " ".join(str(seed) for seed in sorted({part.seed for part in parts})),
        }

    def _metrics(self, parts: Mapping[str, _Part]) -> dict[str, float]:
        """Mean, interval and number of seeds; those of a confirmation also by themselves."""
        by_seed: dict[int, _Part] = {}
        for _, part in sorted(parts.items(), reverse=True):
            if part.best:
                by_seed[part.seed] = part
        fresh = {seed: part for seed, part in by_seed.items() if part.fresh}
        found = {f"{BEST}{n}": v for n, v in _means([part.best for part in by_seed.values()]).items()}
        return found | {f"{FRESH}{n}": v for n, v in _means([part.best for part in fresh.values()]).items()}

    def _set_status(self, own: _Configuration) -> None:
        status, end = own.status, own.end
        if status == STATUS[State.RUNNING]:
            if own.run.status != status:
                self._client.update_run(own.run.run_id, status=status)
        elif own.run.status != status or end not in (None, own.run.end):
            self._client.set_terminated(own.run.run_id, status, end)
            own.run.end = end
        own.run.status = status


def _means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of metrics over trials, their 95 % intervals where there are enough, and how many trials."""
    found: dict[str, float] = {}
    for name in sorted({name for result in results for name in result}):
        values, own = [result[name] for result in results if name in result], name.removeprefix(BEST)
        found[own] = math.fsum(values) / len(values)
        if len(values) > 1:
            from analysis.statistics import estimate  # with SciPy, which a search of one seed needs not

            over = estimate(values)
            each = {f"{own}_low": over.low, f"{own}_high": over.high}
            found |= {n: float(value) for n, value in each.items() if math.isfinite(value)}
    return found | ({"seeds": float(len(results))} if results else {})


def _params(record: Record) -> dict[str, str]:
    return {name: value for name, value in params_of(record.trial).items() if name != "seed"}


def _wrong_param(run: FoundRun, record: Record) -> str:
    """Which param of a run is not that of its configuration, or nothing."""
    wanted = _params(record)
    wrong = [name for name, value in run.params.items() if name in wanted and not same(value, wanted[name])]
    return f"its param {wrong[0]} is {run.params[wrong[0]]}, not {wanted[wrong[0]]}" if wrong else ""


def _untrue(run: FoundRun, wanted: Mapping[str, float]) -> str:
    """What a run says that no later value could put right, or nothing."""
    for name, value in run.metrics.items():
        if name.startswith((BEST, FRESH)) and name not in wanted:
            return f"its metric {name} is {value}, which is not on record"
    return beyond_correction(run, wanted)
