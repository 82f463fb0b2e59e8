"""Trials that an earlier version began go on under today's names, and so do their checkpoints."""

import logging
from pathlib import Path

from trainables.disk import checkpoint_path
from trainables.remote.files import fetch, remove, send_unseen
from trainables.tensors import DamagedError, load_whole, save_atomically

_log = logging.getLogger(__name__)


def move_checkpoint(folder: Path, former: str, key: str) -> None:
    """Gives the checkpoint of a trial in progress the name that the trial has now.

    Args:
        folder: The sweep's folder.
        former: The trial's name until now.
        key: Its name from now on.
    """
    old, new = fetch(checkpoint_path(folder, former)), checkpoint_path(folder, key)
    if old.exists():
        try:
            save_atomically({**load_whole(old, "cpu"), "key": key}, new)
            send_unseen(new, keep=False)
        except DamagedError as error:
            _log.warning("%s; the checkpoint is dropped, and its trial begins anew", error)
        remove(old)
