"""The adapter between the training loop and Ray Tune: a trial's epochs as the steps of a Trainable."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune

from trainables.cache import save_atomically
from trainables.data import Data
from trainables.saved import checkpoint_path, model_path
from trainables.training import Training
from trainables.trial import Trial
from trainables.workloads import workload_named

METRICS, FAILURE, OUT_OF_MEMORY, BROKEN = "metrics", "failure", "out_of_memory", "broken"
"""What a step may report: an epoch's metrics, or why there are none."""

CONTEXT_BYTES = 2**30
"""GPU memory that a process takes beside its tensors: the CUDA context and the libraries' workspaces."""


class TrialTrainable(tune.Trainable):
    """Trains one trial after the other, one epoch a step.

    Config: ``trial`` (`Trial.to_dict`), ``data`` (the data root), ``folder`` (of the sweep), ``threads`` and
    ``gpus`` (how many the trial occupies, or the share of one that it may fill).

    Each step ends with a checkpoint that holds the metrics of all epochs so far, and only then reports. A
    trial that is begun again, here or elsewhere, reports those epochs again and trains on from there: what
    the driver had recorded it knows again, and what it had not, it learns now. An exception of the training
    is a result too (``failure``; ``out_of_memory`` where a GPU was too small), so that the process lives on
    for the next trial. A file that cannot be read or written is no fault of the trial (``broken``).
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Begins a trial."""
        self._trial = Trial.from_dict(config["trial"])
        self._data_root = config["data"]
        self._folder = config["folder"]
        self._training: Training | None = None
        self._reported = 0
        torch.set_num_threads(config["threads"])
        _keep_to_share(config["gpus"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins another trial in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Reports one epoch, trained now or found in the checkpoint."""
        try:
            return {METRICS: self._epoch()}
        except torch.OutOfMemoryError as error:
            return {OUT_OF_MEMORY: f"out of GPU memory: {error}"}
        except OSError as error:
            return {BROKEN: str(error)}
        except Exception as error:
            return {FAILURE: f"{type(error).__name__}: {error}"}

    def _epoch(self) -> dict[str, float]:
        if self._training is None:
            self._training = self._resume()
        training = self._training
        if self._reported == len(training.history):
            training.epoch()
            save_atomically(training.state_dict(), checkpoint_path(self._folder, self._trial.key))
            if training.finished:
                save_atomically(training.result(), model_path(self._folder, self._trial.key))
        self._reported += 1
        return training.history[self._reported - 1]

    def _resume(self) -> Training:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        training = Training(
            self._trial,
            _data(self._trial.workload, self._data_root, json.dumps(dict(self._trial.data))),
            device,
        )
        path = checkpoint_path(self._folder, self._trial.key)
        if path.exists():
            training.load_state_dict(torch.load(path, weights_only=True, map_location=device))
        return training

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Saves the state where Tune asks for it."""
        if self._training is not None:
            save_atomically(self._training.state_dict(), Path(checkpoint_dir) / "state.pt")

    def load_checkpoint(self, checkpoint_dir: str | None) -> None:
        """Takes back what `save_checkpoint` gave."""
        path = Path(checkpoint_dir or "") / "state.pt"
        if path.exists():
            self._training = self._resume()
            self._training.load_state_dict(torch.load(path, weights_only=True))


def _keep_to_share(gpus: float) -> None:
    """Lets this process fill its share of a GPU and no more, and gives back what trials before have left.

    Shares are bookkeeping to Ray. With this limit, a trial that needs more fails and its neighbours do not.
    """
    if gpus and torch.cuda.is_available():
        torch.cuda.empty_cache()
        context = CONTEXT_BYTES / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(max(0.0, gpus - context) if gpus < 1 else 1.0)


@lru_cache(maxsize=2)
def _data(workload: str, root: str, options: str) -> Data:
    """A workload's data, kept in the process for the trials after this one."""
    return workload_named(workload).load(Path(root), json.loads(options))
