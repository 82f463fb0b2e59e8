"""The adapter between the training loop and Ray Tune: epochs of a stack of trials as steps of a Trainable."""

import json
import logging
import platform
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune
from typing_extensions import override

from dropattack.errors import first_line
from dropattack.imported import give
from dropattack.raised import described
from trainables import notice
from trainables.data.dataset import Data
from trainables.disk import checkpoint_path, model_path
from trainables.gpu import NoGpuError, device_for, is_out_of_memory, keep_to_share
from trainables.lanes.loop import Alone, Lanes, together
from trainables.recipe.measured import GPUS
from trainables.remote.files import fetch, local_folder, remove, send_unseen
from trainables.saves import Life, Saves, lost_seconds
from trainables.tensors import DamagedError, load_whole, save_atomically
from trainables.training.loop import DivergedError, Training
from trainables.trial import Trial
from trainables.usercode import check_code
from trainables.workloads import workload_named

METRICS, DIVERGED = "metrics", "diverged"
"""Keys of a step's report: for some trials an epoch's metrics and their number of epochs; for others the
reason why they cannot continue."""
FAILURE, OUT_OF_MEMORY, BROKEN, NO_GPU = "failure", "out_of_memory", "broken", "no_gpu"
"""Keys of a report without any trial: the reason why the whole stack cannot continue."""
TRACEBACK = "traceback"
"""Key beside each of these but `NO_GPU`: the whole traceback of the exception."""

_log = logging.getLogger(__name__)


class StackTrainable(tune.Trainable):
    """Trains one stack of trials after the other, one epoch a step; a stack may be a single trial.

    Config: ``trials`` (each a `Trial.to_dict`), ``recorded`` (for each, the number of recorded epochs),
    ``lives`` (for each, those of processes that died with it), ``data`` (the data root), ``folder`` (of the
    sweep, see `shared_name`), ``threads``, ``gpus`` (the number that the stack occupies, or the share of one
    that it may fill), ``compile`` (whether passes are compiled) and ``checkpoint_seconds`` (seconds between
    saves of a single trial within an epoch; `None` for none).

    Each step first saves a checkpoint of every trial, with the metrics of all its epochs so far, and then
    reports. A trial that starts again, here or elsewhere, reports those epochs again and trains on from
    there; the driver recognises epochs that it has recorded, and records the others. An exception of the
    training is a result too (``failure``; ``out_of_memory`` if a GPU was too small), so that the process can
    train the next stack; its ``traceback`` comes with it. A file that cannot be read or written
    (``broken``), and a machine without the GPU that the stack was promised (``no_gpu``), are no fault of the
    trials.

    A single trial is also saved within an epoch: at intervals, and at once if the process has a notice that
    it must end. Lanes are saved at the end of epochs.
    """

    @override
    def setup(self, config: dict[str, Any]) -> None:
        """Begins a stack."""
        self._trainings: dict[str, Training] = {}
        self._reported: dict[str, int] = {}
        self._lost: dict[str, float] = {}
        self._loop: Alone | Lanes | None = None
        notice.listen()
        self.reset_config(config)

    @override
    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins another stack in the same process; trials of both stacks continue from memory.

        A trial continues only if its record has as many epochs as this process. Its key may also come back
        for another record, which needs all of its epochs.
        """
        trials = [Trial.from_dict(trial) for trial in new_config["trials"]]
        give(name for trial in trials for name in (trial.workload, trial.method))
        self._trials = {trial.key: trial for trial in trials}
        self._data_root, self._folder = new_config["data"], local_folder(new_config["folder"])
        recorded = zip(self._trials, new_config["recorded"], strict=True)
        self._lives = dict(zip(self._trials, new_config["lives"], strict=True))
        stay = [key for key, epochs in recorded if self._loop and self._reported.get(key) == epochs]
        self._trainings = {key: self._loop.training(key) for key in stay} if self._loop else {}
        self._reported = {key: self._reported[key] for key in stay}
        self._loop = None
        self._compiled, self._gpus = new_config["compile"], new_config["gpus"]
        self._checkpoint_seconds: float | None = new_config["checkpoint_seconds"]
        torch.set_num_threads(new_config["threads"])
        return True

    @override
    def step(self) -> dict[str, Any]:
        """Reports an epoch of every trial, trained now or found in its checkpoint.

        Raises:
            PreemptedError: The process must end; the trials are saved.
        """
        try:
            with notice.heeded():
                return self._epoch()
        except notice.PreemptedError:
            raise
        except Exception as error:
            found = _why(error)
        self._trainings, self._reported, self._loop = {}, {}, None
        return found

    def _epoch(self) -> dict[str, Any]:
        diverged: list[tuple[str, str]] = []
        if self._loop is None:
            keep_to_share(self._gpus)
            begun = {key: self._resume(t) for key, t in self._trials.items() if key not in self._trainings}
            self._trainings |= begun
            self._reported |= dict.fromkeys(begun, 0)
            diverged = self._end_epochs()
            self._loop = together(list(self._trainings.values())) if self._trainings else None
        if self._loop is not None and not self._unreported():
            diverged += self._train(self._loop)
        metrics = []
        for key in self._unreported():
            history = self._trainings[key].history
            metrics.append((key, history[self._reported[key]], len(history)))
            self._reported[key] += 1
        return {METRICS: metrics, DIVERGED: diverged}

    def _end_epochs(self) -> list[tuple[str, str]]:
        """Ends epochs that are saved half-way, each trial alone: several train whole epochs together.

        Returns:
            Trials that diverged, with their reasons.
        """
        trainings = list(self._trainings.values()) if len(self._trainings) > 1 else []
        half_way = [training for training in trainings if training.under_way is not None]
        return [one for training in half_way for one in self._train(Alone(training))]

    def _unreported(self) -> list[str]:
        return [
            key for key, training in self._trainings.items() if self._reported[key] < len(training.history)
        ]

    def _train(self, loop: Alone | Lanes) -> list[tuple[str, str]]:
        """Trains an epoch of every trial and saves it; returns those that diverged, with their reasons.

        The metrics also hold ``gpus``, which the stack occupies. Where it has none, they hold
        ``cpu_seconds``: a trial's share of the CPU time of the thread that trains, which is about ``seconds``
        if no other process uses the CPU.
        """
        diverged = []
        if notice.given():
            raise notice.PreemptedError(further=False)
        began = time.thread_time()
        results = loop.epoch(self._saves(loop.only)) if isinstance(loop, Alone) else loop.epoch()
        spent = (time.thread_time() - began) / len(results)
        for key, result in results.items():
            if isinstance(result, DivergedError):
                diverged.append((key, f"{type(result).__name__}: {result}"))
                del self._trainings[key], self._reported[key]
                continue
            result[GPUS] = self._gpus
            if not self._gpus:
                result["cpu_seconds"] = spent
            if lost := self._lost.pop(key, 0.0):
                result["lost_seconds"] = lost
            training = loop.training(key)
            if training.finished:  # before the checkpoint: a finished one implies that the model is there
                self._save(training.result(), model_path(self._folder, key), keep=True)
            self._checkpoint(key, training)
        return diverged

    def _saves(self, training: Training) -> Saves:
        key = training.trial.key
        return Saves(lambda: self._checkpoint(key, training), self._checkpoint_seconds)

    def _checkpoint(self, key: str, training: Training) -> None:
        more = {"saved_at": time.time(), "lost_seconds": self._lost.get(key, 0.0)}
        self._save(training.state_dict() | more, checkpoint_path(self._folder, key), keep=False)

    @staticmethod
    def _save(state: Mapping[str, Any], path: Path, keep: bool) -> None:
        save_atomically(state, path)
        send_unseen(path, keep)

    def _resume(self, trial: Trial) -> Training:
        check_code(trial.workload, trial.method, trial.code)
        device = device_for(self._gpus)
        data = _data(trial.workload, self._data_root, json.dumps(dict(trial.data)), device)
        training = Training(trial, data, device, self._compiled)
        lives: Sequence[Life] = self._lives[trial.key]
        path = fetch(checkpoint_path(self._folder, trial.key))
        if not path.exists():
            self._lost[trial.key] = lost_seconds(lives, {})
            return training
        try:
            state = load_whole(path, device)
            training.load_state_dict(state)
            self._lost[trial.key] = lost_seconds(lives, state)
        except (DamagedError, KeyError, TypeError, ValueError) as error:
            _log.warning("%s; the checkpoint is dropped, and %s begins anew", first_line(error), trial.key)
            remove(path)
            return Training(trial, data, device, self._compiled)
        return training


def _why(error: Exception) -> dict[str, str]:
    """Why a stack cannot continue, by the kind of the reason, and the traceback."""
    if isinstance(error, NoGpuError):
        return {NO_GPU: f"{platform.node()}: {error}"}
    whole = {TRACEBACK: "".join(traceback.format_exception(error))}
    if isinstance(error, OSError):
        return {BROKEN: str(error), **whole}
    if is_out_of_memory(error):
        return {OUT_OF_MEMORY: f"out of GPU memory: {error}", **whole}
    return {FAILURE: described(error), **whole}


@lru_cache(maxsize=1)
def _data(workload: str, root: str, options: str, device: torch.device) -> Data:
    """A workload's data on the device, cached for other trials of this process."""
    return workload_named(workload).load(Path(root), json.loads(options)).to(device)
