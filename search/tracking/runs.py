"""The runs of a sweep in MLflow: one per trial key under its configuration's, brought up to its record."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME

from search.definition.sweep import Sweep
from search.records.record import Record, State
from search.tracking.configurations import ConfigurationRuns
from search.tracking.experiments import own_experiment, set_views
from search.tracking.files import RunFiles
from search.tracking.found import (
    FoundRun,
    FoundRuns,
    beyond_correction,
    contradiction,
    corrections,
    lacks_metrics,
    overtaken,
    replace,
)
from search.tracking.parent import ParentRun
from search.tracking.picture import (
    BEST,
    STATUS,
    batches_of,
    best_of,
    ended_at,
    params_of,
    passing_tags,
    standing_tags,
    started_at,
)
from search.tracking.shown import all_runs
from search.tracking.tags import TAG
from search.tracking.told import Told
from search.tracking.whole import WholeRuns

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
        self._found = FoundRuns(all_runs(self._client, self.experiment))
        for run in self._found.replaced:
            self._client.delete_run(run.run_id)
        self._parent = ParentRun(self._client, uri, self.experiment, sweep, self._found.parents)
        self._whole = WholeRuns(uri, self._client.get_experiment(self.experiment))
        self.configurations = ConfigurationRuns(
            self._client, self._whole, self.experiment, self.parent, sweep, self._runs
        )
        self._parent.begin(versions, provenance or {})

    @property
    def parent(self) -> str:
        """Id of the sweep's own run."""
        return self._parent.run_id

    @property
    def ids(self) -> dict[str, str]:
        """Run id by trial key, of runs that MLflow has."""
        shown = [(key, run.run_id) for key, run in list(self._runs.items())]
        return {key: run for key, run in shown if self._whole.is_there(run)}

    @property
    def lost(self) -> set[str]:
        """Keys of trials whose new runs MLflow's database did not take."""
        return {key for key, run in self._runs.items() if run.run_id in self._whole.lost}

    @contextmanager
    def together(self) -> Iterator[None]:
        """Lets new runs gather, so that many are written at once; all are there at the end."""
        with self._whole.together():
            yield

    def show(self, record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> None:
        """Brings one run up to its record."""
        key, select = record.key, self._sweep.select
        self.configurations.add(record, state, epochs)
        if key in self._runs and (why := overtaken(self._runs[key], epochs)):
            self._whole.ensure(self._runs[key].run_id)
            replace(self._client, self._runs.pop(key), why)
        if key not in self._runs and (found := self._found.claim(record)) is not None:
            self._take(record, found, epochs)
        if key not in self._runs:
            if record.reused_from and not record.reused_from.startswith(f"{self._sweep.name}/"):
                self.configurations.run_of(record, self._found)
                return
            if self._create(record, state, epochs):
                return
        run = self._runs[key]
        self._whole.ensure(run.run_id)
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
        run.note_shown(epochs)
        run.compared = True
        self._set_status(run, state, epochs, goes_on)
        if record.finished:
            run.forget_all_but(passing, BEST)

    def show_configurations(self, complete: bool) -> None:
        """Brings the runs of configurations up to their trials; see `ConfigurationRuns.write`."""
        self.configurations.write(complete)

    def tidy(self) -> None:
        """Takes away what stands there beside the runs of the records, once all of them are shown.

        Of an experiment that was deleted the runs of the records come back, and no others.
        """
        left_over, why = self._found.left_over(), "another run shows its trial, or it no longer says which"
        for run in left_over:
            replace(self._client, run, f"{why} trial it shows")
        for run in self._found.unclaimed() if self._restored else ():
            if run not in left_over:
                self._client.delete_run(run.run_id)
        self._found, self._restored = FoundRuns([]), False

    def describe(self, headline: str) -> None:
        """Shows on the parent run how far the sweep is."""
        self._parent.describe(headline)

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
            self._parent.tell(verdict)
        for key, model in winners:
            for file in model if key in self._runs else ():
                RunFiles(self._runs[key].files, self._uri).put(file, "model")
        for run in self._runs.values():
            if run.tags.get(_STATE) == State.RUNNING.value and run.status != STATUS[State.PRUNED]:
                self._client.set_terminated(run.run_id, STATUS[State.PRUNED])
                run.status = STATUS[State.PRUNED]
        self.configurations.stop()
        self._parent.end(files, status)

    def close(self) -> None:
        """Lets go of the database; nothing more is shown."""
        self._whole.close()

    def _take(self, record: Record, run: FoundRun, epochs: Sequence[Mapping[str, float]]) -> None:
        """Keeps a run that is there, unless it says what cannot be put right."""
        judged = best_of(self._sweep.select, epochs)
        if untrue := contradiction(run, record, epochs) or beyond_correction(run, judged):
            if not run.deleted:
                replace(self._client, run, untrue)
            return
        if run.deleted:
            self._client.restore_run(run.run_id)
        if lacks_metrics(run, epochs):
            run.epochs = 0
        self._runs[record.key] = run

    def _create(self, record: Record, state: State, epochs: Sequence[Mapping[str, float]]) -> bool:
        """Makes a new run; returns whether it shows all there is, as in a database that is a file."""
        tags = standing_tags(record, self._sweep, self.configurations.run_of(record, self._found))
        tags |= {MLFLOW_RUN_NAME: record.name, MLFLOW_SOURCE_NAME: "dropattack"}
        passing = passing_tags(record, state, epochs, self._sweep.select)
        metrics = [*chain(*batches_of(epochs)), *self._at_once(record, FoundRun(""), state, epochs)]
        shown = tags | {name: value for name, value in passing.items() if value}
        start, end = started_at(record), ended_at(epochs)
        run = self._whole.write(shown, params_of(record.trial), metrics, STATUS[state], start, end)
        is_whole = run is not None
        if run is None:
            tags[_STATE] = State.RUNNING.value
            made = self._client.create_run(self.experiment, start_time=start, tags=tags)
            run = FoundRun(made.info.run_id, tags, files=made.info.artifact_uri)
        else:
            run.note_shown(epochs)
            run.forget_all_but(passing, BEST)
        self.created = True
        self._runs[record.key] = run
        return is_whole

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
