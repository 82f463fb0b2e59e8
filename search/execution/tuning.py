"""Ray Tune as the executor of an engine: Tune places and runs trials, the engine proposes and decides."""

import logging
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from typing_extensions import override

from dropattack import UsageError
from search.engine.engine import Engine
from search.execution import gpus, local
from search.execution.guard import Guard
from search.execution.interruption import check_interrupted, sigint_kept, sigterm_kept
from search.execution.notice import KeptHandler, noticed, passed_on
from search.execution.scratch import scratch_folder
from search.execution.slots import Slots
from search.execution.stacks import Stacks
from trainables import notice
from trainables.notice import PreemptedError
from trainables.remote.files import shared_name
from trainables.trainable import StackTrainable

_log = logging.getLogger(__name__)
_KEYS, _GPUS = "keys", "gpus"
_ALL_AT_ONCE = 10_000
"""How many trials Tune may start at a time. By itself it would start one process after the other, and a
short trial's end would call off the start of the next one, so that trials ran one at a time."""


class _StateInJournal:
    """For parts of Tune that it would write to disk now and then: what they know is in the journal."""

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {}


class EngineSearcher(_StateInJournal, Searcher):
    """Hands the engine's trials to Tune in stacks, each a trial to Tune, as many as may run side by side.

    Args:
        guard: Calls whatever may raise an error.
        stacks: Where they come from.
        config: What all stacks' configs share.
        slots: How many may run side by side.
    """

    def __init__(self, guard: Guard, stacks: Stacks, config: dict[str, Any], slots: Slots) -> None:
        super().__init__()
        self._handler = KeptHandler()
        self._guard = guard
        self._stacks = stacks
        self._config = config
        self._slots = slots

    # Ray's annotation leaves out the `Searcher.FINISHED` that its docstring asks for.
    @override
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next stack's config; nothing for now, or nothing ever again."""
        self._handler.put_back()
        ended: dict[str, Any] | str | None = Searcher.FINISHED
        return self._guard.call(self._next_config, otherwise=ended)

    def _next_config(self) -> dict[str, Any] | str | None:
        if self._stacks.running >= self._slots.count() and not noticed():
            return None
        stack = self._stacks.next()
        if not stack:
            return Searcher.FINISHED if self._stacks.ended else None
        keys = [record.key for record in stack]
        _log.info("begins %s", " ".join(keys))
        own = {
            _KEYS: keys,
            "trials": [record.trial.to_dict() for record in stack],
            "recorded": [len(record.epochs) for record in stack],
            "lives": [self._stacks.lives(key) for key in keys],
        }
        config = {**self._config, **own}
        if not self._stacks.alone.isdisjoint(keys):
            config[_GPUS] = max(1.0, config[_GPUS])
        return config

    @override
    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the scheduler has told the engine."""

    @override
    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    @override
    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""


class EngineScheduler(_StateInJournal, FIFOScheduler):
    """Takes every result to the engine, the last one included, before Tune acts on it."""

    def __init__(self, guard: Guard, stacks: Stacks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's has no annotations
        self._guard = guard
        self._stacks = stacks

    @override
    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: Tune starts those that wait in turn, and need not look through all that ever were.

        It asks in each of its turns, and so what has become durable is told soon.
        """
        self._guard.call(lambda: self._stacks.settle(), otherwise=None)

    @override
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Continue or stop, as the engine says."""
        goes_on = self._guard.call(lambda: self._stacks.report(trial.config[_KEYS], result), otherwise=False)
        self._end_early(tune_controller, trial)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    @override
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Takes it to the engine that a process died, or left its trials; to Tune either is final."""
        self._guard.call(lambda: self._ended(trial), otherwise=None)
        self._end_early(tune_controller, trial)

    def _ended(self, trial: Any) -> None:
        keys, error = trial.config[_KEYS], _error_of(trial)
        if isinstance(error, PreemptedError):
            self._stacks.preempted(keys, error.further)
        else:
            self._stacks.died(keys, _first_line(error))

    def _end_early(self, tune_controller: Any, trial: Any) -> None:
        """After a notice, ends the run with the last stack that trained; those that wait are not begun."""
        if noticed():
            others = (other for other in tune_controller.get_live_trials() if other is not trial)
            if not any(other.status == Trial.RUNNING for other in others):
                self._guard.end()


def _error_of(trial: Any) -> BaseException | None:
    """What ended a trial of Tune's, from its scratch folder; Tune's getter looks where it is put later."""
    path = trial.pickled_error_file
    if not path or not Path(path).exists():
        return None
    error: BaseException = cloudpickle.loads(Path(path).read_bytes())
    return error


def _first_line(error: BaseException | None) -> str:
    lines = "" if error is None else str(error).strip()
    return lines.splitlines()[0] if lines else "no reason given"


def connect(verbose: bool) -> None:
    """Joins the cluster that ``RAY_ADDRESS`` names, or starts Ray on this machine.

    Raises:
        UsageError: The cluster cannot be joined: it is not there, wants a token, or has other versions.
        RunError: Ray cannot start on this machine.
        KeyboardInterrupt: A SIGTERM arrived meanwhile.
    """
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = str(10**9)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(_ALL_AT_ONCE)
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    if not verbose:
        logging.getLogger("ray").setLevel(logging.ERROR)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    options: dict[str, Any] = {
        "log_to_driver": verbose,
        "logging_level": logging.INFO if verbose else logging.ERROR,
    }
    address = os.environ.get("RAY_ADDRESS")
    with sigterm_kept():
        if not address:
            local.start(options)
            return
        try:
            ray.init(ignore_reinit_error=True, **options)
        except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
            lines = " ".join(str(error).split())
            raise UsageError(f"cannot join the cluster at {address}: {lines}") from None


def run(
    engine: Engine, folder: Path, data: Path, verbose: bool = False, measure: gpus.Measure = gpus.measure
) -> None:
    """Runs an engine to its end, or until it is interrupted or has notice that it must end.

    What Tune itself writes stays in a scratch folder of the driver, which other nodes need not see: trials
    keep their checkpoints in the sweep's folder.

    Args:
        engine: What to run.
        folder: The sweep's folder, for checkpoints and models; shared by all nodes, or at an address.
        data: The data root, the same path on all nodes.
        verbose: Whether to show what Ray says.
        measure: Finds what a trial takes of a GPU, where the sweep leaves that open.

    Raises:
        UsageError: What a trial takes cannot be measured.
        OSError: The journal, or a file that a worker needs, can no longer be used; what is recorded is whole.
        Exception: Any other error of the engine or its listeners, as it is; nothing is recorded after it.
    """
    resources = engine.sweep.resources.model_copy(update={"gpus": _gpus(engine, data.resolve(), measure)})
    engine.occupies(resources.most_gpus)
    config = {
        "data": str(data.resolve()),
        "folder": shared_name(folder),
        "threads": max(1, math.floor(resources.cpus)),
        "compile": resources.compile,
        "checkpoint_seconds": resources.checkpoint_seconds,
        _GPUS: resources.gpus,
    }
    trainable = tune.with_resources(
        StackTrainable,
        lambda config: tune.PlacementGroupFactory([{"CPU": resources.cpus, "GPU": config[_GPUS]}]),
    )
    there = ray.cluster_resources()
    _log.info("Ray has %g CPUs and %g GPUs", there.get("CPU", 0), there.get("GPU", 0))
    stacks = Stacks(engine, resources.lanes, noticed)
    with (
        Guard() as guard,
        engine.journal.gathering(),
        passed_on(notice.give),
        scratch_folder() as scratch,
    ):
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=EngineSearcher(guard, stacks, config, Slots(resources)),
                scheduler=EngineScheduler(guard, stacks),
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=engine.sweep.name,
                storage_path=str(scratch),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                stop=guard,
                failure_config=tune.FailureConfig(max_failures=0),
                verbose=1 if verbose else 0,
            ),
        )
        check_interrupted()
        with sigint_kept(), suppress(KeyboardInterrupt):
            tuner.fit()
        guard.call(lambda: engine.journal.settle(wait=True), otherwise=None)


def _gpus(engine: Engine, data: Path, measure: gpus.Measure) -> float:
    """How many GPUs, or what share of one, each trial occupies."""
    wanted = engine.sweep.resources.gpus
    if wanted != "auto":
        return float(wanted)
    record = engine.next()
    if record is None:
        return 1.0
    engine.put_back(record.key)
    return gpus.share(measure(record.trial, data, engine.sweep.resources.compile))
