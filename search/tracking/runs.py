"""The runs of a sweep in MLflow: one per trial key under its configuration's, brought up to its record."""

import json
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME

from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.tracking.configurations import ConfigurationRuns
from search.tracking.experiments import own_experiment, set_views
from search.tracking.files import RunFiles
from search.tracking.found import (
    REPLACED,
    FoundRun,
    FoundRuns,
    beyond_correction,
    contradiction,
    corrections,
    lacks_metrics,
)
from search.tracking.picture import (
    STATUS,
    batches_of,
    best_of,
    datasets_of,
    ended_at,
    params_of,
    passing_tags,
    standing_tags,
    started_at,
)
from search.tracking.shown import all_runs
from search.tracking.tags import KIND, SWEEP, TAG
from search.tracking.told import PARTS, Told
from search.tracking.whole import WholeRuns

_DEFINITION = "sweep.json"
_STATE = f"{TAG}state"
_ENDED = ("FINISHED", "FAILED", "KILLED")


Winner = tuple[str, Sequence[Path]]
"""Key of the trial that gives a workload's best model, and the files of that model."""


class SweepRuns:
    """The runs of one sweep's experiment: asked for once, then kept in step.

    Args:
        uri: Tracking URI.
        sweep: The sweep; its name names the experiment and the parent run.
        artifacts: Where a new experiment keeps its artifacts; ``None`` leaves that to the server.
        versions: What the sweep has run with.
        provenance: Where the results of this run come from, by name.
        owner: Id of the store, where MLflow may show those of others too.
        later: Metrics that were measured after the training, by trial key.

    Attributes:
        experiment: Id of the experiment.
        configurations: The runs over those of the trials.
        created: Whether it created any run of a trial itself.
    """

    def __init__(
        self,
        uri: str,
        sweep: Sweep,
        artifacts: Path | None,
        versions: Mapping[str, str],
        provenance: Mapping[str, str] | None = None,
        owner: str = "",
        later: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it logs it raises too
        self._uri = uri
        self._client = MlflowClient(uri)
        self._sweep = sweep
        self._later = later or {}
        self.experiment, self._restored = own_experiment(self._client, sweep.name, artifacts, owner)
        set_views(self._client, self.experiment, sweep)
        self.created = False
        self._runs: dict[str, FoundRun] = {}
        self._shown_headline = ""
        self._found = FoundRuns(all_runs(self._client, self.experiment))
        for run in self._found.replaced:
            self._client.delete_run(run.run_id)
        self._parent = self._find_parent()
        self._client.update_run(self.parent, status="RUNNING")
        self._whole = WholeRuns(uri, self._client.get_experiment(self.experiment))
        self.configurations = ConfigurationRuns(
            self._client, self._whole, self.experiment, self.parent, sweep, self._replace, self._adopt
        )
        definition = json.dumps(sweep.model_dump(mode="json"), indent=2, sort_keys=True)
        RunFiles(self._parent.files, uri).put_text(_DEFINITION, definition)
        select = {f"{TAG}select": sweep.select.column, f"{TAG}mode": sweep.select.direction}
        found = {**select, KIND: "sweep", SWEEP: sweep.name, f"{TAG}command": f"dropattack run {_DEFINITION}"}
        found |= {f"{TAG}version.{name}": value for name, value in versions.items()}
        found |= {f"{TAG}run.{name}": value[:5000] for name, value in (provenance or {}).items()}
        self._client.log_batch(self.parent, tags=[RunTag(name, value) for name, value in found.items()])

    @property
    def parent(self) -> str:
        """Id of the sweep's own run."""
        return self._parent.run_id

    @property
    def ids(self) -> dict[str, str]:
        """Run id by trial key."""
        return {key: run.run_id for key, run in list(self._runs.items())}

    def show(self, record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> None:
        """Brings one run up to its record."""
        key, select = record.key, self._sweep.select
        self.configurations.add(record, state, epochs)
        if key not in self._runs and (found := self._found.claim(record)) is not None:
            self._take(record, found, epochs)
        if key not in self._runs:
            if record.reused_from and not record.reused_from.startswith(f"{self._sweep.name}/"):
                self.configurations.run_of(record, self._found)
                return
            self._create(record, state, epochs)
        run = self._runs[key]
        batches = batches_of(epochs[run.epochs :])
        goes_on = bool(batches) or run.tags.get(_STATE) != state.value
        if at_once := self._at_once(record, run, state, epochs):
            batches = [*batches[:-1], [*(batches or [[]])[-1], *at_once]]
        passing = passing_tags(record, state, epochs, select)
        for name in [name for name, value in passing.items() if not value and name in run.tags]:
            self._client.delete_tag(run.run_id, name)
            del run.tags[name]
        wanted = {name: value for name, value in passing.items() if value}
        if not run.compared:
            wanted |= self._standing_tags(record, run)
        params = (
            [] if run.compared else [p for p in params_of(record.trial).items() if p[0] not in run.params]
        )
        self._log(run, batches, params, wanted)
        run.epochs = max(run.epochs, len(epochs))
        run.compared = True
        self._set_status(run, state, epochs, goes_on)

    def show_configurations(self, complete: bool) -> None:
        """Brings the runs of configurations up to their trials; see `ConfigurationRuns.write`."""
        self.configurations.write(complete)

    def tidy(self) -> None:
        """Takes away what stands there beside the runs of the records, once all of them are shown.

        Of an experiment that was deleted the runs of the records come back, and no others.
        """
        left_over = self._found.left_over()
        for run in left_over:
            self._replace(run, "another run shows its trial, or it no longer says which trial it shows")
        for run in self._found.unclaimed() if self._restored else ():
            if run not in left_over:
                self._client.delete_run(run.run_id)
        self._found, self._restored = FoundRuns([]), False

    def describe(self, headline: str) -> None:
        """Shows on the parent run how far the sweep is."""
        if headline and headline != self._shown_headline:
            self._client.set_tag(self.parent, f"{TAG}progress", headline)
            self._shown_headline = headline

    def finish(
        self,
        files: Sequence[Path],
        winners: Sequence[Winner],
        status: str,
        verdict: Told | None = None,
    ) -> None:
        """Adds files and the verdict to the parent run, models to the winners' runs, and ends the parent.

        Trials that are still running when their sweep ends are shown as killed, until they go on.

        Args:
            files: For the parent run.
            winners: Trials that give a model.
            status: How the sweep ended, in MLflow's words.
            verdict: What the sweep shows.
        """
        if verdict is not None:
            self._tell(verdict)
        for key, model in winners:
            for file in model if key in self._runs else ():
                RunFiles(self._runs[key].files, self._uri).put(file, "model")
        for file in files:
            RunFiles(self._parent.files, self._uri).put(file)
        for run in self._runs.values():
            if run.tags.get(_STATE) == State.RUNNING.value and run.status != STATUS[State.PRUNED]:
                self._client.set_terminated(run.run_id, STATUS[State.PRUNED])
                run.status = STATUS[State.PRUNED]
        self.configurations.stop()
        self._client.set_terminated(self.parent, status)

    def _tell(self, told: Told) -> None:
        """Shows on the parent run what the sweep shows; numbers that it no longer has are NaN."""
        gone = {name for name in self._parent.metrics if name.startswith(PARTS)} - told.metrics.keys()
        wanted = {**told.metrics, **dict.fromkeys(gone if told.tags else (), math.nan)}
        metrics = corrections(self._parent, wanted)
        self._client.log_batch(self.parent, metrics, tags=[RunTag(*each) for each in told.tags.items()])
        if told.datasets:
            self._client.log_inputs(self.parent, datasets_of(told.datasets))

    def _find_parent(self) -> FoundRun:
        """The sweep's own run: the one there is, restored where it was deleted, or a new one."""
        for other in self._found.parents[1:]:
            if not other.deleted:
                self._replace(other, "another run stands for the sweep")
        for parent in self._found.parents[:1]:
            if parent.deleted:
                self._client.restore_run(parent.run_id)
            return parent
        tags = {
            KIND: "sweep",
            SWEEP: self._sweep.name,
            "mlflow.note.content": self._sweep.summary,
        }
        run = self._client.create_run(self.experiment, tags=tags, run_name=self._sweep.name)
        return FoundRun(run.info.run_id, tags, files=run.info.artifact_uri)

    def _take(self, record: Record, run: FoundRun, epochs: Sequence[Mapping[str, float]]) -> None:
        """Keeps a run that is there, unless it says what cannot be put right."""
        judged = best_of(self._sweep.select, epochs)
        if untrue := contradiction(run, record, epochs) or beyond_correction(run, judged):
            if not run.deleted:
                self._replace(run, untrue)
            return
        if run.deleted:
            self._client.restore_run(run.run_id)
        if lacks_metrics(run, epochs):
            run.epochs = 0
        self._runs[record.key] = run

    def _replace(self, run: FoundRun, why: str) -> None:
        """Moves a run to MLflow's deleted ones, where whoever wants it finds it and the reason."""
        self._client.set_tag(run.run_id, REPLACED, why)
        self._client.delete_run(run.run_id)

    def _adopt(self, keys: Iterable[str], parent: str) -> None:
        """Puts the runs of trials under another run."""
        for run in (self._runs[key] for key in keys if key in self._runs):
            self._client.set_tag(run.run_id, MLFLOW_PARENT_RUN_ID, parent)
            run.tags[MLFLOW_PARENT_RUN_ID] = parent

    def _create(self, record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> None:
        """A new run: of a database that is a file with all there is to show, else one to be brought up."""
        tags = standing_tags(record, self._sweep, self.configurations.run_of(record, self._found))
        tags |= {MLFLOW_RUN_NAME: record.name, MLFLOW_SOURCE_NAME: "dropattack"}
        passing = passing_tags(record, state, epochs, self._sweep.select)
        metrics = [*chain(*batches_of(epochs)), *self._at_once(record, FoundRun(""), state, epochs)]
        shown = tags | {name: value for name, value in passing.items() if value}
        start, end = started_at(record), ended_at(epochs)
        run = self._whole.write(shown, params_of(record.trial), metrics, STATUS[state], start, end)
        if run is None:
            tags[_STATE] = State.RUNNING.value
            made = self._client.create_run(self.experiment, start_time=start, tags=tags)
            run = FoundRun(made.info.run_id, tags, files=made.info.artifact_uri)
        self.created = True
        self._runs[record.key] = run

    def _standing_tags(self, record: Record, run: FoundRun) -> dict[str, str]:
        """Those of a record; of one that repeats another's training only what the run does not say."""
        tags = standing_tags(record, self._sweep, self.configurations.run_of(record, self._found))
        told = ("stage", "trial") if record.reused_from else ()
        return {n: v for n, v in tags.items() if n.removeprefix(TAG) not in told or n not in run.tags}

    def _log(
        self,
        run: FoundRun,
        batches: Sequence[Sequence[Metric]],
        params: Sequence[tuple[str, str]],
        wanted: Mapping[str, str],
    ) -> None:
        """Logs what a run does not have yet; in MLflow a batch is written whole or not at all."""
        tags = {name: value for name, value in wanted.items() if run.tags.get(name) != value}
        new = [Param(name, value) for name, value in params]
        for metrics in batches or ([()] if tags or new else []):
            of_run = [RunTag(name, value) for name, value in tags.items()]
            self._client.log_batch(run.run_id, metrics, new, of_run)
            new, tags = [], {}
            run.metrics |= {metric.key: metric.value for metric in metrics}
            run.stamps |= {metric.key: (metric.step, metric.timestamp) for metric in metrics}
        run.tags |= wanted

    def _set_status(
        self, run: FoundRun, state: State, epochs: Sequence[Mapping[str, float]], goes_on: bool
    ) -> None:
        """Ends a run as its record has ended; one that has not is running from its next epoch on."""
        status = STATUS[state]
        if state is State.RUNNING:
            if run.status in _ENDED and goes_on:
                self._client.update_run(run.run_id, status=status)
                run.status = status
            return
        end = ended_at(epochs)
        if run.status != status or end not in (None, run.end):
            self._client.set_terminated(run.run_id, status, end)
            run.status, run.end = status, end

    def _at_once(
        self, record: Record, run: FoundRun, state: State, epochs: Sequence[Mapping[str, float]]
    ) -> list[Metric]:
        """Metrics of one value each that a run lacks: what it is judged by, and what was measured later."""
        found: list[Metric] = []
        if state is not State.RUNNING:
            found = corrections(run, best_of(self._sweep.select, epochs), ended_at(epochs))
        return found if run.compared else found + corrections(run, self._later.get(record.key, {}))
