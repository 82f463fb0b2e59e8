"""Trials that an earlier version began go on under today's names, and so do their checkpoints."""

from pathlib import Path

import torch

from trainables.data.cache import save_atomically
from trainables.disk import checkpoint_path


def move_checkpoint(folder: Path, former: str, key: str) -> None:
    """Gives the checkpoint of a trial in progress the name that the trial has now.

    Args:
        folder: The sweep's folder.
        former: The trial's name until now.
        key: Its name from now on.
    """
    old = checkpoint_path(folder, former)
    if old.exists():
        state = torch.load(old, weights_only=True, map_location="cpu")
        save_atomically({**state, "key": key}, checkpoint_path(folder, key))
        old.unlink()
