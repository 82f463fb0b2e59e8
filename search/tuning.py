"""Ray Tune as the executor of an engine: Tune places and runs trials, the engine proposes and decides."""

import logging
import math
import os
import tempfile
from collections.abc import Set
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from dropattack import UsageError
from search import gpus
from search.engine import Engine
from trainables.trainable import FAILURE, METRICS, OUT_OF_MEMORY, TrialTrainable

_KEY, _GPUS = "key", "gpus"
_PROCESS_DEATHS = 2
"""How often a trial's process may die (out of memory, a lost node) before the trial counts as failed."""


class _StateInJournal:
    """For parts of Tune that it would write to disk now and then: what they know is in the journal."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class EngineSearcher(_StateInJournal, Searcher):
    """Hands the engine's trials to Tune.

    Args:
        engine: Where trials come from.
        config: What all trials' configs share.
        alone: Keys of trials that get a whole GPU for themselves.
    """

    def __init__(self, engine: Engine, config: dict[str, Any], alone: Set[str]) -> None:
        super().__init__()
        self._engine = engine
        self._config = config
        self._alone = alone

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial's config; nothing for now, or nothing ever again."""
        record = self._engine.next()
        if record is not None:
            config = {**self._config, _KEY: record.key, "trial": record.trial.to_dict()}
            if record.key in self._alone:
                config[_GPUS] = max(1.0, config[_GPUS])
            return config
        return Searcher.FINISHED if self._engine.done else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the scheduler has told the engine."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""


class EngineScheduler(_StateInJournal, FIFOScheduler):
    """Takes every result to the engine, the last one included, before Tune acts on it.

    Args:
        engine: Where results go.
        alone: Gets the keys of trials that a GPU was too small for; they are tried once more, alone on one.
    """

    def __init__(self, engine: Engine, alone: set[str]) -> None:
        super().__init__()
        self._engine = engine
        self._alone = alone

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Continue or stop, as the engine says."""
        key = trial.config[_KEY]
        if result.get(OUT_OF_MEMORY) and key not in self._alone:
            self._alone.add(key)
            self._engine.put_back(key)
            return str(TrialScheduler.STOP)
        if FAILURE in result:
            self._engine.fail(key, result[FAILURE])
            return str(TrialScheduler.STOP)
        prefix = f"{METRICS}/"
        metrics = {name.removeprefix(prefix): v for name, v in result.items() if name.startswith(prefix)}
        goes_on = self._engine.report(key, metrics)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Records a trial whose process died again and again."""
        times = trial.num_failures
        self._engine.fail(trial.config[_KEY], f"its process died {times} times: {_last_line(trial)}")


def _last_line(trial: Any) -> str:
    error = trial.get_pickled_error() or trial.get_error()
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"


def connect(verbose: bool) -> None:
    """Joins the cluster that ``RAY_ADDRESS`` names, or starts Ray on this machine.

    Raises:
        UsageError: The cluster cannot be joined: it is not there, wants a token, or has other versions.
    """
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
    try:
        ray.init(ignore_reinit_error=True, **options)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        if not os.environ.get("RAY_ADDRESS"):
            raise
        lines = " ".join(str(error).split())
        raise UsageError(f"cannot join the cluster at {os.environ['RAY_ADDRESS']}: {lines}") from None


def run(
    engine: Engine, folder: Path, data: Path, verbose: bool = False, measure: gpus.Measure = gpus.measure
) -> None:
    """Runs an engine to its end.

    Args:
        engine: What to run.
        folder: The sweep's folder, for checkpoints and models; shared by all nodes.
        data: The data root, the same path on all nodes.
        verbose: Whether to show what Ray says.
        measure: Finds what a trial takes of a GPU, where the sweep leaves that open.

    Raises:
        UsageError: What a trial takes cannot be measured.
    """
    resources = engine.sweep.resources
    config = {
        "data": str(data.resolve()),
        "folder": str(folder.resolve()),
        "threads": max(1, math.floor(resources.cpus)),
        _GPUS: _gpus(engine, data.resolve(), measure),
    }
    trainable = tune.with_resources(
        TrialTrainable,
        lambda config: tune.PlacementGroupFactory([{"CPU": resources.cpus, "GPU": config[_GPUS]}]),
    )
    alone: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="dropattack-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=EngineSearcher(engine, config, alone),
                scheduler=EngineScheduler(engine, alone),
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


def _gpus(engine: Engine, data: Path, measure: gpus.Measure) -> float:
    """How many GPUs, or what share of one, each trial occupies."""
    wanted = engine.sweep.resources.gpus
    if wanted != "auto":
        return float(wanted)
    record = engine.next()
    if record is None:
        return 1.0
    engine.put_back(record.key)
    return gpus.share(measure(record.trial, data))
