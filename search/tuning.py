"""Ray Tune as the executor of an engine: Tune places and runs trials, the engine proposes and decides."""

import logging
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.engine import Engine
from search.record import Metrics, Record
from trainables.trainable import BROKEN, FAILURE, METRICS, TrialTrainable

T = TypeVar("T")

_KEY = "key"
_PROCESS_DEATHS = 2
"""How often a trial's process may die (out of memory, a lost node) before the trial counts as failed."""


class _StateInJournal:
    """For parts of Tune that it would write to disk now and then: what they know is in the journal."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class EngineSearcher(_StateInJournal, Searcher):
    """Hands the engine's trials to Tune."""

    def __init__(self, recorder: "_Recorder", config: dict[str, Any]) -> None:
        super().__init__()
        self._recorder = recorder
        self._config = config

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial's config; nothing for now, or nothing ever again."""
        record = self._recorder.next()
        if record is not None:
            return {**self._config, _KEY: record.key, "trial": record.trial.to_dict()}
        return Searcher.FINISHED if self._recorder.ended else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the scheduler has told the engine."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""


class EngineScheduler(_StateInJournal, FIFOScheduler):
    """Takes every result to the engine, the last one included, before Tune acts on it."""

    def __init__(self, recorder: "_Recorder") -> None:
        super().__init__()
        self._recorder = recorder

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Continue or stop, as the engine says."""
        key = trial.config[_KEY]
        if BROKEN in result:
            self._recorder.broken = OSError(None, result[BROKEN])
            return str(TrialScheduler.STOP)
        if FAILURE in result:
            self._recorder.fail(key, result[FAILURE])
            return str(TrialScheduler.STOP)
        prefix = f"{METRICS}/"
        metrics = {name.removeprefix(prefix): v for name, v in result.items() if name.startswith(prefix)}
        goes_on = self._recorder.report(key, metrics)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Records a trial whose process died again and again."""
        times = trial.num_failures
        self._recorder.fail(trial.config[_KEY], f"its process died {times} times: {_last_line(trial)}")


class _Recorder:
    """The engine as Tune may use it: when its store breaks, everything stops and nothing more is recorded.

    Tune takes an exception of a scheduler for a failure of the trial and goes on; a store that is full or
    gone must end the run instead.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.broken: OSError | None = None

    @property
    def ended(self) -> bool:
        return self.broken is not None or self._engine.done

    def next(self) -> Record | None:
        return self._guarded(self._engine.next, None)

    def report(self, key: str, metrics: Metrics) -> bool:
        return self._guarded(lambda: self._engine.report(key, metrics), False)

    def fail(self, key: str, reason: str) -> None:
        self._guarded(lambda: self._engine.fail(key, reason), None)

    def _guarded(self, action: Callable[[], T], otherwise: T) -> T:
        if self.broken is not None:
            return otherwise
        try:
            return action()
        except OSError as error:
            self.broken = error
            return otherwise


def _last_line(trial: Any) -> str:
    error = trial.get_pickled_error() or trial.get_error()
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"


def connect(verbose: bool) -> None:
    """Joins the cluster that ``RAY_ADDRESS`` names, or starts Ray on this machine."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = str(10**9)
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    if not verbose:
        logging.getLogger("ray").setLevel(logging.ERROR)
    options: dict[str, Any] = {
        "log_to_driver": verbose,
        "logging_level": logging.INFO if verbose else logging.ERROR,
    }
    if not os.environ.get("RAY_ADDRESS"):
        options |= {"include_dashboard": False, "object_store_memory": 200 * 2**20}
    ray.init(ignore_reinit_error=True, **options)


def run(engine: Engine, folder: Path, data: Path, verbose: bool = False) -> None:
    """Runs an engine to its end.

    Args:
        engine: What to run.
        folder: The sweep's folder, for checkpoints and models; shared by all nodes.
        data: The data root, the same path on all nodes.
        verbose: Whether to show what Ray says.

    Raises:
        OSError: The journal can no longer be written; what it has is whole.
    """
    resources = engine.sweep.resources
    config = {
        "data": str(data.resolve()),
        "folder": str(folder.resolve()),
        "threads": max(1, math.floor(resources.cpus)),
    }
    trainable = tune.with_resources(TrialTrainable, {"cpu": resources.cpus, "gpu": resources.gpus})
    recorder = _Recorder(engine)
    with tempfile.TemporaryDirectory(prefix="dropattack-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=EngineSearcher(recorder, config),
                scheduler=EngineScheduler(recorder),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=engine.sweep.name,
                storage_path=scratch,
                failure_config=tune.FailureConfig(max_failures=_PROCESS_DEATHS),
                verbose=1 if verbose else 0,
            ),
        )
        tuner.fit()
    if recorder.broken is not None:
        raise recorder.broken
