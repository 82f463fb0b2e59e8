"""Ray Tune as the executor of an engine: Tune places and runs trials, the engine proposes and decides."""

import logging
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from dropattack import UsageError
from search import gpus
from search.engine import Engine
from search.recorder import Recorder
from search.slots import Slots
from trainables.trainable import BROKEN, FAILURE, METRICS, OUT_OF_MEMORY, TrialTrainable

_KEY, _GPUS = "key", "gpus"
_PROCESS_DEATHS = 2
"""How often a trial's process may die (out of memory, a lost node) before the trial counts as failed."""
_ALL_AT_ONCE = 10_000
"""How many trials Tune may start at a time. By itself it would start one process after the other, and a
short trial's end would call off the start of the next one, so that trials ran one at a time."""


class _StateInJournal:
    """For parts of Tune that it would write to disk now and then: what they know is in the journal."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class EngineSearcher(_StateInJournal, Searcher):
    """Hands the engine's trials to Tune, as many as may run side by side.

    Args:
        recorder: Where trials come from.
        config: What all trials' configs share.
        slots: How many these are.
    """

    def __init__(self, recorder: Recorder, config: dict[str, Any], slots: Slots) -> None:
        super().__init__()
        self._recorder = recorder
        self._config = config
        self._slots = slots

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial's config; nothing for now, or nothing ever again."""
        if self._recorder.training >= self._slots.count():
            return None
        record = self._recorder.next()
        if record is None:
            return Searcher.FINISHED if self._recorder.ended else None
        config = {**self._config, _KEY: record.key, "trial": record.trial.to_dict()}
        if record.key in self._recorder.alone:
            config[_GPUS] = max(1.0, config[_GPUS])
        return config

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

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Continue or stop, as the engine says."""
        key = trial.config[_KEY]
        goes_on = False
        if BROKEN in result:
            self._recorder.broken = OSError(result[BROKEN])
        elif OUT_OF_MEMORY in result:
            self._recorder.ran_out_of_memory(key, result[OUT_OF_MEMORY])
        elif FAILURE in result:
            self._recorder.fail(key, result[FAILURE])
        else:
            prefix = f"{METRICS}/"
            metrics = {n.removeprefix(prefix): v for n, v in result.items() if n.startswith(prefix)}
            goes_on = self._recorder.report(key, metrics)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Records a trial whose process died once too often; until then Tune tries again by itself."""
        if trial.should_recover():
            return
        times = trial.num_failures
        self._recorder.fail(trial.config[_KEY], f"its process died {times} times: {_last_line(trial)}")


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
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(_ALL_AT_ONCE)
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

    What Tune itself writes stays in a scratch folder of the driver, which other nodes need not see: trials
    keep their checkpoints in the sweep's folder.

    Args:
        engine: What to run.
        folder: The sweep's folder, for checkpoints and models; shared by all nodes.
        data: The data root, the same path on all nodes.
        verbose: Whether to show what Ray says.
        measure: Finds what a trial takes of a GPU, where the sweep leaves that open.

    Raises:
        UsageError: What a trial takes cannot be measured.
        OSError: The journal can no longer be written; what it has is whole.
    """
    resources = engine.sweep.resources.model_copy(update={"gpus": _gpus(engine, data.resolve(), measure)})
    config = {
        "data": str(data.resolve()),
        "folder": str(folder.resolve()),
        "threads": max(1, math.floor(resources.cpus)),
        _GPUS: resources.gpus,
    }
    trainable = tune.with_resources(
        TrialTrainable,
        lambda config: tune.PlacementGroupFactory([{"CPU": resources.cpus, "GPU": config[_GPUS]}]),
    )
    recorder = Recorder(engine)
    slots = Slots(resources)
    with tempfile.TemporaryDirectory(prefix="dropattack-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=EngineSearcher(recorder, config, slots),
                scheduler=EngineScheduler(recorder),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=engine.sweep.name,
                storage_path=scratch,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=_PROCESS_DEATHS),
                verbose=1 if verbose else 0,
            ),
        )
        tuner.fit()
    if recorder.broken is not None:
        raise recorder.broken


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
