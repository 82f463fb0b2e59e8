"""The sweep's own run in MLflow, over all others: what was asked for, how far it is, and what it shows."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import RunTag

from search.definition.sweep import Sweep
from search.tracking.files import RunFiles
from search.tracking.found import FoundRun, corrections, replace
from search.tracking.picture import datasets_of
from search.tracking.tags import KIND, SWEEP, TAG
from search.tracking.told import PARTS, Told

_DEFINITION = "sweep.json"


class ParentRun:
    """A sweep's own run: the one there is, restored where it was deleted, or a new one.

    Args:
        client: Tells MLflow.
        uri: Tracking URI.
        experiment: Id of the sweep's experiment.
        sweep: The sweep.
        found: Runs that may stand for the sweep, the best one first; the others are replaced.
    """

    def __init__(
        self, client: MlflowClient, uri: str, experiment: str, sweep: Sweep, found: Sequence[FoundRun]
    ) -> None:
        self._client = client
        self._uri = uri
        self._sweep = sweep
        self._shown_headline = ""
        for other in found[1:]:
            if not other.deleted:
                replace(client, other, "another run stands for the sweep")
        for run in found[:1]:
            if run.deleted:
                client.restore_run(run.run_id)
        self._run = found[0] if found else self._create(experiment)

    @property
    def run_id(self) -> str:
        """Its id."""
        return self._run.run_id

    def begin(self, versions: Mapping[str, str], provenance: Mapping[str, str]) -> None:
        """Shows that the sweep runs, what it is, and where its results come from."""
        sweep = self._sweep
        self._client.update_run(self.run_id, status="RUNNING")
        definition = json.dumps(sweep.model_dump(mode="json"), indent=2, sort_keys=True)
        RunFiles(self._run.files, self._uri).put_text(_DEFINITION, definition)
        select = {f"{TAG}select": sweep.select.column, f"{TAG}mode": sweep.select.direction}
        found = {**select, KIND: "sweep", SWEEP: sweep.name, f"{TAG}command": f"dropattack run {_DEFINITION}"}
        found |= {f"{TAG}version.{name}": value for name, value in versions.items()}
        found |= {f"{TAG}run.{name}": value[:5000] for name, value in provenance.items()}
        self._client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in found.items()])

    def describe(self, headline: str) -> None:
        """Shows how far the sweep is."""
        if headline and headline != self._shown_headline:
            self._client.set_tag(self.run_id, f"{TAG}progress", headline)
            self._shown_headline = headline

    def tell(self, told: Told) -> None:
        """Shows what the sweep shows; numbers that it no longer has are NaN."""
        gone = {name for name in self._run.metrics if name.startswith(PARTS)} - told.metrics.keys()
        wanted = {**told.metrics, **dict.fromkeys(gone if told.tags else (), math.nan)}
        metrics = corrections(self._run, wanted)
        self._client.log_batch(self.run_id, metrics, tags=[RunTag(*each) for each in told.tags.items()])
        if told.datasets:
            self._client.log_inputs(self.run_id, datasets_of(told.datasets))

    def end(self, files: Sequence[Path], status: str) -> None:
        """Adds files, and ends the run with MLflow's word for how the sweep ended."""
        for file in files:
            RunFiles(self._run.files, self._uri).put(file)
        self._client.set_terminated(self.run_id, status)

    def _create(self, experiment: str) -> FoundRun:
        sweep = self._sweep
        tags = {KIND: "sweep", SWEEP: sweep.name, "mlflow.note.content": sweep.summary}
        run = self._client.create_run(experiment, tags=tags, run_name=sweep.name)
        return FoundRun(run.info.run_id, tags, files=run.info.artifact_uri)
